// Shadow algebra: merge with null semantics, delta, diff and three-way merge of Device Shadow state, as pure values.
// Deliberately knows no topics, versions or ownership of a connection: those are daemon/shadow's. Any thread.
// Source: device-shadow.md, sections 2-4 and 10; tests/conformance/shadow-vectors.json.
//
// Words: a *section* is the object under "desired" or "reported". A *state* is an object with at most these two
// sections, where a section without keys is absent. A *patch* merges into either: null removes, objects recurse,
// everything else (arrays too) replaces. Values held in a state contain no null.
#pragma once

#include <cstddef>

#include "base/json.hpp"

namespace penumbra::shadow {

inline constexpr std::size_t kMaxDocumentBytes = 8192;  // AWS: desired + reported as compact JSON, without metadata
inline constexpr int kMaxDepth = 5;                     // the least of what AWS's pages and errors say; never send more
inline constexpr std::size_t kMaxClientTokenBytes = 64;

// Equal by value: 1 == 1.0 == unsigned 1, -0.0 == 0, true != 1, order of keys irrelevant. Exact for all 64-bit
// integers: 9007199254740993 differs from 9007199254740992.0.
bool SameValue(const Json& a, const Json& b);

// Merges `patch` (an object) into `target` (an object) as the service does. An object that brings nothing but nulls
// for a key that does not exist creates nothing; an object emptied by nulls stays as {}.
void MergeSection(Json& target, const Json& patch);

// Merges the `state` of an update request (null, or an object of sections, each null or an object) into `state`.
void MergeState(Json& state, const Json& patch);

// What `desired` wants and `reported` does not have: whole arrays, whole subtrees that are missing, and nothing for
// keys that only `reported` has. Both are sections, or null for an absent one. {} when there is no difference.
Json Delta(const Json& desired, const Json& reported);

// The smallest patch that turns section `from` into section `to`; {} when they are equal.
Json DiffSection(const Json& from, const Json& to);
// The same for states; a section that has to go is null in the patch.
Json DiffState(const Json& from, const Json& to);

// Who decides when both sides changed the same leaf.
enum class Owner { kLocal, kCloud };

// Merges two sections that went apart since `base`, leaf by leaf (arrays are leaves): a leaf that only one side changed
// follows that side, one that both changed follows the owner. Absent sections are {}.
Json ThreeWaySection(const Json& base, const Json& local, const Json& cloud, Owner owner);

// The section the device wants to see in the cloud: everything it has, nothing of what it once pushed (`base`) and has
// since removed, and untouched what only the cloud ever had.
Json StrictSection(const Json& base, const Json& local, const Json& cloud);

enum class Policy {
  kThreeWay,              // desired: cloud wins; reported: device wins
  kDeviceStrictReported,  // desired as above; reported by StrictSection
};

struct SyncResult {
  Json merged;
  Json to_cloud;  // patch for the cloud's state; {} when there is nothing to send
  Json to_local;  // patch for ours
};

// Brings `local` and `cloud` together. States, or null for "does not exist".
SyncResult Synchronise(const Json& base, const Json& local, const Json& cloud, Policy policy);

// Bytes that count against the size limit: compact JSON of each section that is there, added up.
std::size_t StateBytes(const Json& state);
std::size_t SectionBytes(const Json& section);

// Levels of objects and arrays, the section itself being 1 and scalars 0.
int Depth(const Json& section);

// Objects without members removed, at every depth. For what we send: the service's handling of {} is not documented.
void PruneEmptyObjects(Json& section);

// Any null at any depth, or inside an array: not allowed in values.
bool HasNull(const Json& value);

}  // namespace penumbra::shadow
