// The schema of definitions says what the reader says: an editor that knows it takes what is read, and marks what is refused.

#include <gmock/gmock.h>

#include <sstream>

#include <nlohmann/json.hpp>
#include <toml++/toml.h>

#include "sweeps/definition.h"
#include "sweeps/key_text.h"

namespace palimpsest {
namespace {

using nlohmann::json;

bool is_of(const json& value, const std::string& type) {
  return type == "object" ? value.is_object() : type == "array" ? value.is_array() : type == "string" ? value.is_string() : type == "boolean" ? value.is_boolean()
         : type == "integer" ? value.is_number_integer() : value.is_number();
}

// Of JSON schema, what ours uses.
class Validator {
 public:
  explicit Validator(json schema) : root_(std::move(schema)) {}
  bool takes(const json& value) const { return takes(value, root_); }

 private:
  bool takes(const json& value, const json& schema) const {
    if (schema.contains("$ref")) return takes(value, root_.at(json::json_pointer(schema["$ref"].get<std::string>().substr(1))));
    if (schema.contains("anyOf") && !std::ranges::any_of(schema["anyOf"], [&](const json& one) { return takes(value, one); })) return false;
    if (schema.contains("type") && !is_of(value, schema["type"])) return false;
    if (schema.contains("const") && value != schema["const"]) return false;
    if (schema.contains("enum") && std::ranges::find(schema["enum"], value) == schema["enum"].end()) return false;
    if (value.is_number() && (value < schema.value("minimum", value) || value > schema.value("maximum", value))) return false;
    return value.is_array() ? takes_items(value, schema) : !value.is_object() || takes_members(value, schema);
  }
  bool takes_items(const json& value, const json& schema) const {
    if (value.size() < schema.value("minItems", 0u) || value.size() > schema.value("maxItems", value.size())) return false;
    return std::ranges::all_of(value, [&](const json& item) { return takes(item, schema.value("items", json::object())); });
  }
  bool takes_members(const json& value, const json& schema) const {
    for (const json& name : schema.value("required", json::array()))
      if (!value.contains(name.get<std::string>())) return false;
    for (const auto& [name, member] : value.items()) {
      const json known = schema.value("properties", json::object());
      if (known.contains(name) ? !takes(member, known[name]) : !schema.value("additionalProperties", true)) return false;
    }
    return true;
  }

  json root_;
};

struct Schema : testing::Test {
  const Validator validator{definition_schema(kPlantedStudy.keys, &kPlantedStudy)};

  bool marks(const std::string& sweep) const {
    std::ostringstream text;
    text << toml::json_formatter(toml::parse(kHead + sweep));
    return !validator.takes(json::parse(text.str()));
  }
  static bool refuses(const std::string& sweep) {
    try {
      read_definition_text(kHead + sweep, "/folder/try.toml");
      return false;
    } catch (const DefinitionError&) {
      return true;
    }
  }
  static inline const std::string kHead = "study = \"planted\"\nname = \"try\"\n";
};

TEST_F(Schema, TakesWhatIsRead) {
  for (const char* sweep : {"", "planted.effect = 1\n[sweep]\nimage_sets = 3\n", "[sweep.grid]\n\"planted.condition\" = [\"a\", \"b\"]\nplanted.size = [1, 2]\n",
                            "[sweep.grid]\n\"planted.condition\" = [\"a\", \"b\"]\n\"planted.size\" = { values = [2, 3], when = { \"planted.condition\" = \"b\" } }\n",
                            "[[sweep.zip]]\n\"planted.effect\" = [1, 2]\n\"planted.size\" = [1, 2]\n", "[sweep.zip]\nhow = \"by hand\"\nplanted.effect = [1.5, 2]\n",
                            "[sweep.random]\ncount = 3\nseed = 1\nmethod = \"independent\"\n\"planted.effect\" = { uniform = [0, 2] }\n\"planted.condition\" = { choice = [\"a\"] }\n",
                            "[[sweep.ablation]]\n\"planted.effect\" = 1\n[[sweep.ablation]]\n\"planted.size\" = [1, 2]\n\"planted.steps\" = [3, 4]\n",
                            "[sweep.grid]\n\"planted.size\" = [1, 2]\n[[sweep.exclude]]\n\"planted.size\" = 2\n"}) {
    EXPECT_FALSE(refuses(sweep)) << sweep;
    EXPECT_FALSE(marks(sweep)) << sweep;
  }
}

TEST_F(Schema, MarksWhatIsRefused) {
  for (const char* sweep : {"[sweep.grid]\n\"planted.efect\" = [1]\n", "[sweep.grid]\n\"planted.effect\" = 1\n", "[sweep.grid]\n\"planted.condition\" = [\"c\"]\n", "[sweep.grid]\nplanted.sise = [1]\n",
                            "[sweep.grid]\n\"planted.size\" = []\n", "[sweep.grid]\n\"planted.fail_while\" = [\"x\"]\n", "[sweep.grid]\n\"planted.size\" = { values = [2] }\n",
                            "[sweep.grid]\n\"planted.size\" = { values = [2, 3], when = { \"planted.condtion\" = \"b\" } }\n", "[[sweep.zip]]\n\"planted.efect\" = [1]\n",
                            "[[sweep.zip]]\n\"planted.size\" = [0]\n", "[sweep.random]\n\"planted.effect\" = { uniform = [0, 2] }\n", "[sweep.random]\ncount = 3\n\"planted.effect\" = { normal = [0, 2] }\n",
                            "[sweep.random]\ncount = 3\n\"planted.effect\" = [0, 2]\n", "[sweep.random]\ncount = 3\n\"planted.condition\" = { uniform = [0, 2] }\n",
                            "[[sweep.ablation]]\n\"planted.efect\" = 1\n", "[[sweep.ablation]]\n\"planted.effect\" = \"much\"\n", "[[sweep.exclude]]\n\"planted.efect\" = 1\n"}) {
    EXPECT_TRUE(refuses(sweep)) << sweep;
    EXPECT_TRUE(marks(sweep)) << sweep;
  }
}

}  // namespace
}  // namespace palimpsest
