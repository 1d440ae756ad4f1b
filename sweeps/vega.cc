#include "sweeps/vega.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <limits>

#include "sweeps/figure_rows.h"

namespace palimpsest {
namespace {

using nlohmann::json;

constexpr const char* kSchema = "https://vega.github.io/schema/vega-lite/v6.json";  // a name, never fetched
constexpr const char* kFont = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif";
constexpr std::size_t kMostUnits = 60;  // drawn one by one: more are a blur, and a page that opens slowly
constexpr std::size_t kMostTicks = 7;  // few places of an axis are all labelled
constexpr const char *kInk = "#23272e", *kGrey = "#6a7079", *kHair = "#e6e3dc";

/// Four digits are more than a screen shows, and keep the page small. What is no number becomes null.
json rounded(double value) {
  if (!std::isfinite(value)) return nullptr;
  char digits[32];
  std::snprintf(digits, sizeof digits, "%.4g", value);
  return std::strtod(digits, nullptr);
}

json rounded(const std::vector<double>& values) {
  json out = json::array();
  for (double value : values) out.push_back(rounded(value));
  return out;
}

json x_of(const Figure& figure, std::size_t place) {
  if (figure.numeric_x) return std::strtod(figure.x[place].c_str(), nullptr);
  return figure.x[place];
}

std::string words_of(std::string name) {
  std::replace(name.begin(), name.end(), '_', ' ');
  return name;
}

json x_places(const Figure& figure) {
  json places = json::array();
  for (std::size_t place = 0; place < figure.x.size(); ++place) places.push_back(x_of(figure, place));
  return places;
}

/// A label at each dose, and room beside the first and the last. Doses of which the largest is eight times the smallest or more are on a logarithmic axis.
void lay_out_doses(const Figure& figure, json& x) {
  const double low = std::strtod(figure.x.front().c_str(), nullptr), high = std::strtod(figure.x.back().c_str(), nullptr);
  x["axis"]["values"] = x_places(figure);
  x["axis"]["labelOverlap"] = "greedy";
  x["scale"]["padding"] = 18;
  if (low > 0 && high >= 8 * low) x["scale"]["type"] = "log";
}

json x_encoding(const Figure& figure) {
  json axis = {{"title", words_of(figure.info.x)}, {"grid", false}, {"tickCount", 5}, {"labelFlush", false}};
  if (figure.numeric_x && figure.x.size() <= kMostTicks) axis["values"] = x_places(figure);
  if (figure.numeric_x) axis["format"] = "~r";   // Vega infers the digits; "g" would turn 20 into 2e+1
  json x = {{"field", "x"}, {"type", figure.numeric_x ? "quantitative" : "ordinal"}, {"axis", axis}};
  if (figure.numeric_x) x["scale"] = {{"zero", false}, {"nice", false}};
  if (figure.by_dose) lay_out_doses(figure, x);
  if (!figure.numeric_x) x["sort"] = nullptr, x["axis"]["labelAngle"] = 0;
  return x;
}

struct Range {
  double low = std::numeric_limits<double>::infinity(), high = -low;
  void take(const std::vector<double>& values) {
    for (double v : values)
      if (std::isfinite(v)) low = std::min(low, v), high = std::max(high, v);
  }
};

/// One range for all panels, so that they can be compared.
Range y_range(const Figure& figure) {
  Range range;
  for (const FigureSeries& series : figure.series) {
    for (const auto& [unit, course] : series.units) range.take(course);
    range.take(series.low), range.take(series.high);
  }
  return range;
}

json y_encoding(const Figure& figure, const std::string& field, bool titled) {
  const Range range = y_range(figure);
  const bool over_decades = range.low > 0 && range.high / range.low > 100;
  const double margin = std::max(0.04 * (range.high - range.low), 1e-9);
  json scale = {{"zero", false}, {"nice", true}};
  if (over_decades) scale["type"] = "log";
  if (range.low <= range.high)
    scale["domain"] = over_decades ? json{range.low, range.high} : json{range.low - margin, range.high + margin};
  const std::string unit = figure.unit_of_values.empty() ? "" : " (" + figure.unit_of_values + ")";
  json axis = {{"title", titled ? json(figure.info.metric + unit) : json()}, {"tickCount", 5}, {"grid", true}};
  return {{"field", field}, {"type", "quantitative"}, {"scale", scale}, {"axis", axis}};
}

json colour_encoding(const FigureConditions& conditions, bool legend) {
  json names = json::array(), colours = json::array();
  for (std::size_t c = 0; c < conditions.colours.size(); ++c) {
    names.push_back(condition_label(conditions.colours[c]));
    colours.push_back(condition_colour(c));
  }
  json encoding = {{"field", "condition"}, {"type", "nominal"}, {"scale", {{"domain", names}, {"range", colours}}}};
  encoding["legend"] = legend && conditions.colours.size() > 1 ? json{{"title", nullptr}} : json(nullptr);
  return encoding;
}

json dash_encoding(const Figure& figure, bool legend) {
  json scale = {{"domain", figure.splits}, {"range", {{1, 0}, {5, 3}, {1.5, 2.5}, {8, 3, 2, 3}}}};
  json encoding = {{"field", "split"}, {"type", "nominal"}, {"scale", scale}};
  encoding["legend"] =
      legend && figure.splits.size() > 1 ? json{{"title", words_of(figure.info.split_axis)}} : json(nullptr);
  return encoding;
}

json tooltip(const Figure& figure, const std::vector<std::array<const char*, 2>>& fields) {
  json out = json::array({{{"field", "x"}, {"title", words_of(figure.info.x)}}, {{"field", "condition"}}});
  if (figure.splits.size() > 1) out.push_back({{"field", "split"}, {"title", words_of(figure.info.split_axis)}});
  for (const auto& [field, title] : fields) out.push_back({{"field", field}, {"title", title}});
  return out;
}

/// What is told where one points at a mark; a picture in a file tells nothing.
void tell(json& layer, bool standalone, const json& words) {
  if (!standalone) layer["encoding"]["tooltip"] = words;
}

bool units_are_lines(const Figure& figure) { return !figure.by_dose && figure.numeric_x && figure.x.size() > 1; }

/// Doses: each colour a little beside the others, so that what is at one dose is not drawn over itself.
json layers_by_dose(const Figure& figure, const FigureConditions& conditions, bool standalone) {
  constexpr double kApart = 9;  // pixels
  const json x = x_encoding(figure), colour = colour_encoding(conditions, true);
  const auto y = [&](const char* field) { return y_encoding(figure, field, standalone); };
  json out = json::array();
  for (std::size_t c = 0; c < conditions.colours.size(); ++c) {
    const double beside = kApart * (static_cast<double>(c) - (static_cast<double>(conditions.colours.size()) - 1) / 2);
    const json of_colour = {{"field", "condition"}, {"equal", condition_label(conditions.colours[c])}};
    json only = json::array();
    only.push_back({{"filter", of_colour}});
    const auto layer = [&](const char* data, json mark, const char* field) {
      mark["xOffset"] = beside;
      out.push_back({{"data", {{"name", data}}}, {"transform", only}, {"mark", mark}, {"encoding", {{"x", x}, {"y", y(field)}, {"color", colour}}}});
    };
    layer("means", {{"type", "line"}, {"strokeWidth", 1}, {"opacity", 0.5}}, "mean");
    layer("units", {{"type", "point"}, {"filled", true}, {"size", 13}, {"opacity", 0.35}}, "y");
    tell(out.back(), standalone, tooltip(figure, {{"unit", "unit"}, {"y", "value"}}));
    layer("means", {{"type", "rule"}, {"strokeWidth", 2.2}}, "low");
    out.back()["encoding"]["y2"] = {{"field", "high"}};
    layer("means", {{"type", "point"}, {"filled", true}, {"size", 62}, {"opacity", 1}}, "mean");
    tell(out.back(), standalone, tooltip(figure, {{"mean", "mean"}, {"low", "95 % from"}, {"high", "95 % to"}, {"units", "units"}}));
  }
  return out;
}

/// The layers of a panel: units faint, the interval as a band (as bars where x is no line), the mean above them.
json layers(const Figure& figure, const FigureConditions& conditions, bool standalone) {
  if (figure.by_dose) return layers_by_dose(figure, conditions, standalone);
  const bool line = units_are_lines(figure);
  const json x = x_encoding(figure), dash = dash_encoding(figure, standalone);
  const json colour = colour_encoding(conditions, standalone);
  const auto y = [&](const char* field) { return y_encoding(figure, field, standalone); };

  json units = {
      {"data", {{"name", "units"}}},
      {"mark", line ? json{{"type", "line"}, {"strokeWidth", 0.7}, {"opacity", 0.28}}
                    : json{{"type", "point"}, {"filled", true}, {"size", 14}, {"opacity", 0.4}}},
      {"encoding",
       {{"x", x}, {"y", y("y")}, {"color", colour}, {"detail", {{{"field", standalone ? "path" : "unit"}}, {{"field", "split"}}}}}}};
  tell(units, standalone, tooltip(figure, {{"unit", "unit"}, {"y", "value"}}));
  if (line) units["encoding"]["strokeDash"] = dash;
  if (line && standalone) units["encoding"]["order"] = {{"value", nullptr}};   // as the rows come: x begins anew with each unit of a path

  json interval = {
      {"data", {{"name", "means"}}},
      {"mark", line ? json{{"type", "area"}, {"opacity", 0.16}} : json{{"type", "rule"}, {"strokeWidth", 2}}},
      {"encoding",
       {{"x", x},
        {"y", y("low")},
        {"y2", {{"field", "high"}}},
        {"color", colour},
        {"detail", {{{"field", "split"}}}}}}};

  const json dot = {{"size", figure.x.size() > 20 ? 0 : 26}, {"filled", true}};
  json mean = {{"data", {{"name", "means"}}},
               {"mark", line ? json{{"type", "line"}, {"strokeWidth", 2.2}, {"point", dot}}
                             : json{{"type", "point"}, {"filled", true}, {"size", 70}}},
               {"encoding", {{"x", x}, {"y", y("mean")}, {"color", colour}}}};
  tell(mean, standalone, tooltip(figure, {{"mean", "mean"}, {"low", "95 % from"}, {"high", "95 % to"}, {"units", "units"}}));
  if (line) mean["encoding"]["strokeDash"] = dash;
  return json::array({interval, units, mean});
}

json config() {
  return {{"font", kFont},
          {"background", "transparent"},
          {"view", {{"stroke", nullptr}}},
          {"title", {{"anchor", "start"}, {"fontSize", 12}, {"fontWeight", 600}, {"color", kInk}, {"offset", 8}}},
          {"axis",
           {{"labelColor", kGrey},
            {"titleColor", kGrey},
            {"titleFontWeight", "normal"},
            {"titleFontSize", 11.5},
            {"labelFontSize", 11},
            {"gridColor", kHair},
            {"domainColor", "#b9b6ae"},
            {"tickColor", "#b9b6ae"},
            {"tickSize", 4},
            {"titlePadding", 8}}},
          {"legend",
           {{"labelColor", kInk}, {"titleColor", kGrey}, {"titleFontWeight", "normal"}, {"labelFontSize", 11.5}}}};
}

/// Rows of a data set, in few bytes; what is read as a number in it is said, or it would stay text.
json rows_of(const Figure& figure, const std::string& name, const std::vector<const char*>& numbers) {
  json parsed = json::object();
  for (const char* field : numbers) parsed[field] = "number";
  if (figure.numeric_x) parsed["x"] = "number";
  return {{"name", name}, {"format", {{"type", "csv"}, {"parse", parsed}}}};
}

json panel_with_rows(const Figure& figure, const FigureConditions& conditions, std::size_t panel, std::size_t other, json& datasets) {
  const std::string place = std::to_string(other) + "-" + std::to_string(panel), units = "units-" + place, means = "means-" + place;
  datasets[units] = unit_rows(figure, conditions, panel, other, units_are_lines(figure));
  datasets[means] = mean_rows(figure, conditions, panel, other);
  json layer = layers(figure, conditions, true);
  for (json& one : layer)
    one["data"] = one["data"]["name"] == "units" ? rows_of(figure, units, {"y"}) : rows_of(figure, means, {"mean", "low", "high"});
  std::string title = figure.panels[panel];
  if (!conditions.others[other].empty()) title += (title.empty() ? "" : ", ") + plain(conditions.others[other]);
  json spec = {{"width", 230}, {"height", 190}, {"layer", layer}};
  if (!title.empty()) spec["title"] = title;
  return spec;
}

}  // namespace

std::string condition_colour(std::size_t condition) {
  static const std::array kColours = {"#0072b2", "#d98200", "#009e73", "#b5489a",
                                      "#4aa8dd", "#c1440e", "#555a61", "#a89b00"};
  return kColours[condition % kColours.size()];
}

std::string condition_label(const Condition& condition) {
  if (condition.empty()) return "all runs";
  return condition.size() == 1 ? plain(condition.begin()->second) : plain(condition);
}

std::vector<std::size_t> drawn_units(std::size_t units) {
  const std::size_t drawn = std::min(units, kMostUnits);
  std::vector<std::size_t> places;
  for (std::size_t i = 0; i < drawn; ++i) places.push_back(drawn == units ? i : i * (units - 1) / (drawn - 1));
  return places;
}

json panel_spec(const Figure& figure, const FigureConditions& conditions) {
  return {{"$schema", kSchema},
          {"width", "container"},
          {"height", 230},
          {"autosize", {{"type", "fit"}, {"contains", "padding"}}},
          {"datasets", {{"units", json::array()}, {"means", json::array()}}},
          {"layer", layers(figure, conditions, false)},
          {"config", config()}};
}

json compact_data(const Figure& figure) {
  json series = json::array();
  for (const FigureSeries& one : figure.series) {
    json units = json::array(), courses = json::array();
    for (const std::size_t place : drawn_units(one.units.size()))
      units.push_back(one.units[place].first), courses.push_back(rounded(one.units[place].second));
    series.push_back({{"colour", one.colour},
                      {"other", one.other},
                      {"panel", one.panel},
                      {"split", one.split},
                      {"units", units},
                      {"of_units", one.units.size()},
                      {"courses", courses},
                      {"mean", rounded(one.mean)},
                      {"low", rounded(one.low)},
                      {"high", rounded(one.high)}});
  }
  json data = {{"x", x_places(figure)}, {"panels", figure.panels}, {"splits", figure.splits}, {"series", series}};
  if (figure.by_dose) {
    data["colours"] = json::array();
    for (const Condition& condition : figure.by_dose->colours) data["colours"].push_back(condition_label(condition));
  }
  return data;
}

json standalone_spec(const Figure& figure, const FigureConditions& conditions) {
  json rows = json::array(), datasets = json::object();
  for (std::size_t other = 0; other < conditions.others.size(); ++other) {
    json panels = json::array();
    for (std::size_t panel = 0; panel < figure.panels.size(); ++panel)
      panels.push_back(panel_with_rows(figure, conditions, panel, other, datasets));
    rows.push_back({{"hconcat", panels}});
  }
  json title = {{"text", figure.info.title}, {"fontSize", 15}, {"offset", 14}};
  if (!figure.info.caption.empty())
    title["subtitle"] = figure.info.caption, title["subtitleColor"] = kGrey, title["subtitlePadding"] = 6;
  json style = config();
  style["background"] = "white";
  style["padding"] = 14;
  style["mark"] = {{"aria", false}};   // a description of each of ten thousand points takes longer than the points
  return {{"$schema", kSchema}, {"title", title}, {"datasets", datasets}, {"vconcat", rows}, {"config", style}};
}

}  // namespace palimpsest
