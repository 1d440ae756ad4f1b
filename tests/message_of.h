#pragma once

#include <string>

namespace palimpsest {

/// What the error of a call says.
template <class ErrorType, class Call>
std::string message_of(Call call) {
  try {
    call();
  } catch (const ErrorType& error) {
    return error.what();
  }
  return "nothing was thrown";
}

}  // namespace palimpsest
