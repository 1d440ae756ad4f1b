#pragma once

#include <stdexcept>
#include <string>

namespace palimpsest {

/// What a caller can act on. Each kind ends the program with its own exit code (see exit_code); the text says what is
/// wrong, where, and what to do about it.
class Error : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
  virtual int exit_code() const { return 1; }
};

/// Wrong input: a definition, a file, an argument. Trying again without changing it makes no sense. Exit code 2.
class InputError : public Error {
 public:
  using Error::Error;
  int exit_code() const override { return 2; }
};

/// Stopped by a signal, a lost process or a full disk. Running the same command again resumes. Exit code 3.
class Interrupted : public Error {
 public:
  using Error::Error;
  int exit_code() const override { return 3; }
};

/// Another coordinator holds the ledger. Exit code 4.
class LedgerHeld : public Error {
 public:
  using Error::Error;
  int exit_code() const override { return 4; }
};

}  // namespace palimpsest
