#include "launch/command_line.h"

#include <charconv>
#include <cmath>
#include <cstdint>
#include <filesystem>
#include <sstream>
#include <utility>

#include <CLI/CLI.hpp>

#include "runtime/words.h"

namespace palimpsest {
namespace {

class UsageWithCommand : public CLI::Formatter {
 public:
  std::string make_usage(const CLI::App* app, std::string name) const override {
    std::string usage = CLI::Formatter::make_usage(app, std::move(name));
    usage.erase(usage.find_last_not_of('\n') + 1);
    return usage + " COMMAND...\n";
  }
};

std::string mistake_in_number_above_zero(const std::string& text) {
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  const bool good = error == std::errc{} && end == text.data() + text.size() && std::isfinite(value) && value > 0;
  return good ? "" : text + " is no number above 0. Write one, or leave the option out.";
}

// "palimpsest weights import": as much of it as was typed, and the command it ends with.
std::pair<std::string, const CLI::App*> command_typed(const CLI::App& app) {
  std::pair<std::string, const CLI::App*> typed{app.get_name(), &app};
  for (auto inner = app.get_subcommands(); !inner.empty(); inner = inner.front()->get_subcommands()) typed = {typed.first + " " + inner.front()->get_name(), inner.front()};
  return typed;
}

// "check, salvage"
std::string commands_of(const CLI::App& app) {
  std::vector<std::string> names;
  for (const CLI::App* one : app.get_subcommands([](const CLI::App* any) { return !any->get_group().empty(); })) names.push_back(one->get_name());
  return joined(names);
}

// Where CLI11's own words do not say what to do.
std::string words_of(const CLI::App& app, const CLI::Error& error) {
  static const std::string unreadable = "Could not convert: ";
  const std::string said = error.what();
  if (said.starts_with(unreadable)) return said.substr(unreadable.size()) + ": this is no number, or none that fits here. Write another.";
  const auto [words, command] = command_typed(app);
  if (command != &app && said == "A subcommand is required") return words + " is not all: say which of " + commands_of(*command) + ".";
  return said;
}

std::string mistake_and_help(const CLI::App* app, const CLI::Error& error) {
  return "palimpsest: " + words_of(*app, error) + "\nTry: " + command_typed(*app).first + " --help\n";
}

template <class Parse>
std::optional<Unparsed> unparsed_by(const CLI::App& app, const Parse& parse) {
  try {
    parse();
    return std::nullopt;
  } catch (const CLI::ParseError& error) {
    std::ostringstream out, mistakes;
    const bool mistake = app.exit(error, out, mistakes) != 0;
    return Unparsed{mistake, words_of(app, error), mistake ? mistakes.str() : out.str()};
  }
}

}  // namespace

struct Option::Library {
  CLI::Option* option;
};

Option::Option(std::unique_ptr<Library> library) : library_(std::move(library)) {}
Option::~Option() = default;

Option* Option::required() {
  library_->option->required();
  return this;
}

Option* Option::type_name(const std::string& name) {
  library_->option->type_name(name);
  return this;
}

Option* Option::capture_default_str() {
  library_->option->capture_default_str();
  return this;
}

Option* Option::allow_extra_args(bool several_after_one_name) {
  library_->option->allow_extra_args(several_after_one_name);
  return this;
}

Option* Option::delimiter(char between_values) {
  library_->option->delimiter(between_values);
  return this;
}

Option* Option::needs(const std::string& other) {
  library_->option->needs(other);
  return this;
}

Option* Option::between(int least, int most) {
  library_->option->check(CLI::Range(least, most));
  return this;
}

Option* Option::between(double least, double most) {
  library_->option->check(CLI::Range(least, most));
  return this;
}

Option* Option::above_zero() {
  library_->option->check(CLI::Validator([](std::string& text) { return mistake_in_number_above_zero(text); }, ""));
  return this;
}

Option* Option::one_of(const std::vector<std::string>& words) {
  library_->option->check(CLI::IsMember(words));
  return this;
}

bool Option::given() const { return library_->option->count() > 0; }

struct CommandLine::Library {
  std::unique_ptr<CLI::App> outermost;
  CLI::App* app;
};

CommandLine::CommandLine(const std::string& help, const std::string& name) : library_(std::make_unique<Library>()) {
  library_->outermost = std::make_unique<CLI::App>(help, name);
  library_->app = library_->outermost.get();
  library_->app->failure_message(mistake_and_help);
}

CommandLine::CommandLine(std::unique_ptr<Library> library) : library_(std::move(library)) {}
CommandLine::~CommandLine() = default;

Option* CommandLine::keep(std::unique_ptr<Option::Library> option) {
  return options_.emplace_back(std::make_unique<Option>(std::move(option))).get();
}

template <class Value>
Option* CommandLine::add_option(const std::string& names, Value& value, const std::string& help) {
  return keep(std::make_unique<Option::Library>(library_->app->add_option(names, value, help)));
}

template Option* CommandLine::add_option(const std::string&, std::string&, const std::string&);
template Option* CommandLine::add_option(const std::string&, std::filesystem::path&, const std::string&);
template Option* CommandLine::add_option(const std::string&, int&, const std::string&);
template Option* CommandLine::add_option(const std::string&, std::int64_t&, const std::string&);
template Option* CommandLine::add_option(const std::string&, std::uint64_t&, const std::string&);
template Option* CommandLine::add_option(const std::string&, double&, const std::string&);
template Option* CommandLine::add_option(const std::string&, std::optional<int>&, const std::string&);
template Option* CommandLine::add_option(const std::string&, std::optional<double>&, const std::string&);
template Option* CommandLine::add_option(const std::string&, std::vector<std::string>&, const std::string&);
template Option* CommandLine::add_option(const std::string&, std::vector<std::filesystem::path>&, const std::string&);
template Option* CommandLine::add_option(const std::string&, std::vector<double>&, const std::string&);

Option* CommandLine::add_flag(const std::string& names, bool& value, const std::string& help) {
  return keep(std::make_unique<Option::Library>(library_->app->add_flag(names, value, help)));
}

CommandLine* CommandLine::add_subcommand(const std::string& name, const std::string& help) {
  auto library = std::make_unique<Library>(nullptr, library_->app->add_subcommand(name, help));
  return subcommands_.emplace_back(new CommandLine(std::move(library))).get();
}

void CommandLine::require_subcommand() { library_->app->require_subcommand(1); }
void CommandLine::version(const std::string& text) { library_->app->set_version_flag("--version", text); }
void CommandLine::footer(const std::string& text) { library_->app->footer(text); }
void CommandLine::hide() { library_->app->group(""); }

void CommandLine::take_command() {
  library_->app->prefix_command();
  library_->app->formatter(std::make_shared<UsageWithCommand>());
}

std::optional<Unparsed> CommandLine::parse(int argc, const char* const* argv) {
  return unparsed_by(*library_->app, [&] { library_->app->parse(argc, argv); });
}

// CLI11 takes words from the back.
std::optional<Unparsed> CommandLine::parse(const std::vector<std::string>& words) {
  return unparsed_by(*library_->app, [&] { library_->app->parse(std::vector<std::string>(words.rbegin(), words.rend())); });
}

const std::string& CommandLine::name() const { return library_->app->get_name(); }
bool CommandLine::hidden() const { return library_->app->get_group().empty(); }
bool CommandLine::parsed() const { return library_->app->parsed(); }
std::vector<std::string> CommandLine::values(const std::string& option) const { return library_->app->get_option(option)->results(); }
std::vector<std::string> CommandLine::remaining() const { return library_->app->remaining(); }

}  // namespace palimpsest
