#include "launch/shared_options.h"

#include <charconv>
#include <cmath>

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

}  // namespace

std::vector<Override> DefinitionArgument::overrides() const {
  std::vector<Override> out;
  for (const std::string& set : sets) out.push_back(parse_override(set));
  return out;
}

std::shared_ptr<DefinitionArgument> add_definition_argument(CLI::App& command, const std::string& what) {
  auto argument = std::make_shared<DefinitionArgument>();
  command.add_option("FILE", argument->file, what)->required()->type_name("TOML");
  command.add_option("--set", argument->sets, "in place of what the file says, as --set training.epochs=20; again for more keys")
      ->type_name("KEY=VALUE")
      ->allow_extra_args(false);
  return argument;
}

DefinitionArgument definition_argument_of(const CLI::App& command) {
  return {command.get_option("FILE")->as<std::string>(), command.get_option("--set")->results()};
}

CLI::Option* add_out(CLI::App& command, std::filesystem::path& out, const std::string& what) {
  return command.add_option("--out", out, what)->type_name("DIR");
}

CLI::Option* add_device(CLI::App& command, std::string& device, const std::string& what) {
  return command.add_option("--device", device, what + ": auto (a GPU where there is one, each rank of a host the next), cpu, cuda, cuda:N")
      ->type_name("DEVICE")
      ->capture_default_str();
}

CLI::Validator above_zero() {
  return CLI::Validator(
      [](std::string& text) -> std::string {
        double value = 0;
        const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
        const bool good = error == std::errc{} && end == text.data() + text.size() && std::isfinite(value) && value > 0;
        return good ? "" : text + " is no number above 0. Write one, or leave the option out.";
      },
      "");
}

void take_command(CLI::App& command) {
  command.prefix_command();
  command.formatter(std::make_shared<UsageWithCommand>());
}

}  // namespace palimpsest
