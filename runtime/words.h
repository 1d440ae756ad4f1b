#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace palimpsest {

/// "1 run", "3 runs".
std::string counted(std::int64_t count, std::string_view noun);
inline std::string counted(std::size_t count, std::string_view noun) { return counted(static_cast<std::int64_t>(count), noun); }
inline std::string counted(int count, std::string_view noun) { return counted(std::int64_t{count}, noun); }

/// "a, b, c": empty words are left out.
std::string joined(const std::vector<std::string>& words, std::string_view between = ", ");
std::string listed(const std::vector<std::string>& words);   // "a, b and c"

/// LibTorch puts a stack trace behind the first line of what went wrong.
inline std::string first_line(const std::string& text) { return text.substr(0, text.find('\n')); }

/// What goes on after it.
std::string without_full_stop(std::string sentence);

/// In double quotes, with what JSON escapes: YAML reads it, too.
std::string in_quotes(std::string_view text);

}  // namespace palimpsest
