#include "cloud/hcl.hpp"

#include <cctype>

#include "cloud/names.hpp"

namespace penumbra::cloud {

std::string HclString(std::string_view text) {
  std::string out = "\"";
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (c == '"' || c == '\\') out += '\\';
    if ((c == '$' || c == '%') && i + 1 < text.size() && text[i + 1] == '{') out += c;
    if (c == '\n') {
      out += "\\n";
    } else if (static_cast<unsigned char>(c) >= 0x20) {
      out += c;
    }
  }
  return out + "\"";
}

std::string HclName(std::string_view text) {
  std::string out;
  for (const unsigned char c : text) out += std::isalnum(c) != 0 || c == '_' || c == '-' ? static_cast<char>(c) : '_';
  if (out.empty() || std::isalpha(static_cast<unsigned char>(out.front())) == 0) out = "n_" + out;
  return out == text ? out : out + "_" + Mark(text);
}

Hcl& Hcl::Indented(std::string_view line) {
  text_.append(static_cast<std::size_t>(depth_) * 2, ' ').append(line) += '\n';
  return *this;
}

Hcl& Hcl::Block(std::string_view type, const std::vector<std::string>& labels) {
  std::string line(type);
  for (const std::string& label : labels) line += " " + HclString(label);
  Indented(line + " {");
  ++depth_;
  return *this;
}

Hcl& Hcl::Object(std::string_view name) {
  Indented(std::string(name) + " = {");
  ++depth_;
  return *this;
}

Hcl& Hcl::End() {
  --depth_;
  Indented("}");
  if (depth_ == 0) Blank();
  return *this;
}

Hcl& Hcl::Text(std::string_view name, std::string_view value) {
  return Raw(name, HclString(value));
}

Hcl& Hcl::Raw(std::string_view name, std::string_view expression) {
  return Indented(std::string(name) + " = " + std::string(expression));
}

Hcl& Hcl::Line(std::string_view line) {
  return Indented(line);
}

Hcl& Hcl::Comment(std::string_view text) {
  return Indented("# " + std::string(text));
}

Hcl& Hcl::Blank() {
  text_ += '\n';
  return *this;
}

}  // namespace penumbra::cloud
