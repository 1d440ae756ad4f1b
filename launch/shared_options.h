#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>

#include "runtime/settings.h"

// Options that several commands have, declared once, so that they read alike in every --help.

namespace palimpsest {

/// FILE and --set of commands that read a definition.
struct DefinitionArgument {
  std::filesystem::path file;
  std::vector<std::string> sets;

  std::vector<Override> overrides() const;   // throws InputError where one is no KEY=VALUE
};
std::shared_ptr<DefinitionArgument> add_definition_argument(CLI::App& command, const std::string& what);
DefinitionArgument definition_argument_of(const CLI::App& command);   // once it has parsed them

/// --out DIR.
CLI::Option* add_out(CLI::App& command, std::filesystem::path& out, const std::string& what);

/// --device auto|cpu|cuda|cuda:N (runtime/device.h).
CLI::Option* add_device(CLI::App& command, std::string& device, const std::string& what);

/// For numbers that must be above 0.
CLI::Validator above_zero();

/// What follows the options is a command with its own, as --help then says.
void take_command(CLI::App& command);

}  // namespace palimpsest
