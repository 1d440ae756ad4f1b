#pragma once

#include <string_view>

namespace palimpsest {

// The parts of a report page, embedded when building: report_page.html, .css, .js, and Vega, Vega-Lite and vega-embed
// in one script.
std::string_view page_template();
std::string_view page_style();
std::string_view page_script();
std::string_view vega_bundle();
std::string_view watch_page();   // watch_page.html: what `watch --web` shows

}  // namespace palimpsest
