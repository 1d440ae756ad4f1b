#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace palimpsest {

// What the program is given, declared and parsed by CLI11, whose names these are. That library is compiled in command_line.cc alone: where
// each command includes it, it is half of what compiling the program takes.

/// One option, or one argument without a name. What it is told returns it, for the next.
class Option {
 public:
  Option* required();
  Option* type_name(const std::string& name);            // what --help calls its value
  Option* capture_default_str();                         // --help shows the value its variable has now
  Option* allow_extra_args(bool several_after_one_name);
  Option* delimiter(char between_values);
  Option* needs(const std::string& other);
  Option* between(int least, int most);
  Option* between(double least, double most);
  Option* above_zero();
  Option* one_of(const std::vector<std::string>& words);
  bool given() const;

  struct Library;
  explicit Option(std::unique_ptr<Library> library);
  ~Option();

 private:
  std::unique_ptr<Library> library_;
};

/// Why there is no command to run: --help or --version was asked for, or there is a mistake.
struct Unparsed {
  bool mistake = false;
  std::string what;   // the mistake alone
  std::string text;   // what a person is told: help, version, or the mistake and where help is
};

/// A command and its options; the program itself is the outermost.
class CommandLine {
 public:
  CommandLine(const std::string& help, const std::string& name);
  ~CommandLine();
  CommandLine(const CommandLine&) = delete;

  /// The value goes into the variable, which must live until it is parsed. Its type is one of those listed in command_line.cc.
  template <class Value>
  Option* add_option(const std::string& names, Value& value, const std::string& help);
  Option* add_flag(const std::string& names, bool& value, const std::string& help);
  CommandLine* add_subcommand(const std::string& name, const std::string& help);

  void require_subcommand();
  void version(const std::string& text);
  void footer(const std::string& text);
  void hide();           // from --help
  void take_command();   // what follows the options is a command with its own, as --help then says

  std::optional<Unparsed> parse(int argc, const char* const* argv);
  std::optional<Unparsed> parse(const std::vector<std::string>& words);   // without the program's name

  const std::string& name() const;
  bool hidden() const;
  bool parsed() const;
  std::vector<std::string> values(const std::string& option) const;   // as they were typed
  std::vector<std::string> remaining() const;                         // of take_command()

 private:
  struct Library;
  explicit CommandLine(std::unique_ptr<Library> library);
  Option* keep(std::unique_ptr<Option::Library> option);

  std::unique_ptr<Library> library_;
  std::vector<std::unique_ptr<Option>> options_;
  std::vector<std::unique_ptr<CommandLine>> subcommands_;
};

}  // namespace palimpsest
