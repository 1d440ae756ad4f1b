#include "sweeps/page_assets.h"

// Defined by embedded_files.s, which CMake writes.
extern "C" {
extern const char palimpsest_page_html[], palimpsest_page_html_end[];
extern const char palimpsest_page_css[], palimpsest_page_css_end[];
extern const char palimpsest_page_js[], palimpsest_page_js_end[];
extern const char palimpsest_watch_html[], palimpsest_watch_html_end[];
extern const char palimpsest_vega_js[], palimpsest_vega_js_end[];
}

namespace palimpsest {
namespace {

std::string_view between(const char* begin, const char* end) { return {begin, static_cast<std::size_t>(end - begin)}; }

}  // namespace

std::string_view page_template() { return between(palimpsest_page_html, palimpsest_page_html_end); }
std::string_view page_style() { return between(palimpsest_page_css, palimpsest_page_css_end); }
std::string_view page_script() { return between(palimpsest_page_js, palimpsest_page_js_end); }
std::string_view watch_page() { return between(palimpsest_watch_html, palimpsest_watch_html_end); }
std::string_view vega_bundle() { return between(palimpsest_vega_js, palimpsest_vega_js_end); }

}  // namespace palimpsest
