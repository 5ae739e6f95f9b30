// Input and output of the modes that answer with one JSON object. Main thread.
#pragma once

#include <cstdint>
#include <string>

namespace penumbra::host {

// JSON text of a string of at most `max` bytes; NULL is empty. By hand: the host stays small without a JSON library.
std::string Quote(const char* text, std::size_t max = SIZE_MAX);
void WriteLine(int fd, std::string text);
// Our own way out; standard output goes to standard error from here on, so that a driver's prints do not mix with ours.
int TakeStandardOutput();
// {"error":...}; the exit code.
int Failure(int out, const std::string& error);
// Until its end. False: unreadable, or longer than any configuration.
bool ReadAll(int fd, std::string& text);

}  // namespace penumbra::host
