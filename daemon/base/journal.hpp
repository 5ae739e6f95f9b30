// The journal's own protocol: one datagram a line, with fields that can be searched for (systemd.io, "Native Journal
// Protocol"). Written by hand, because base links nothing and the protocol is four lines long. Any thread.
#pragma once

#include <string>
#include <string_view>

namespace penumbra::log {

// Adds one field to a datagram: NAME=value, or with its length where the value has line ends itself.
void AppendJournalField(std::string& entry, std::string_view name, std::string_view value);

// "thing" becomes PENUMBRA_THING; what the journal does not allow in a name becomes '_', and a name ends after 64
// characters.
std::string JournalName(std::string_view key);

// Whether standard error is the journal: JOURNAL_STREAM names its device and inode (systemd.exec(5)). A child whose
// standard error was redirected inherits the variable, so the file itself is looked at. Asked once.
bool JournalIsStandardError();

// False: the journal did not take it, and the line must go the ordinary way. Never blocks.
bool SendToJournal(std::string_view entry);

}  // namespace penumbra::log
