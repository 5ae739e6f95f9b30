// Writes Terraform's language: blocks, arguments, heredocs, quoting. Knows nothing of AWS. Pure; any thread.
// Source: HCL native syntax specification (string templates: ${ and %{ are doubled to be literal).
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace penumbra::cloud {

// "text" with everything escaped that the language would interpret.
std::string HclString(std::string_view text);
// A name that Terraform takes: letters, digits, '_' and '-', beginning with a letter.
std::string HclName(std::string_view text);

class Hcl {
 public:
  // block "a" "b" {   (closed by End)
  Hcl& Block(std::string_view type, const std::vector<std::string>& labels = {});
  // name = {   (closed by End)
  Hcl& Object(std::string_view name);
  Hcl& End();
  // name = "value", escaped.
  Hcl& Text(std::string_view name, std::string_view value);
  // name = expression, as it is.
  Hcl& Raw(std::string_view name, std::string_view expression);
  Hcl& Line(std::string_view line);
  Hcl& Comment(std::string_view text);
  Hcl& Blank();
  std::string Take() { return std::move(text_); }

 private:
  Hcl& Indented(std::string_view line);
  std::string text_;
  int depth_ = 0;
};

}  // namespace penumbra::cloud
