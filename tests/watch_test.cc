// A sweep watched in the terminal and as a page, while it runs and after, on the real program.

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <csignal>
#include <fstream>

#include <gmock/gmock.h>
#include <nlohmann/json.hpp>

#include "runtime/durable_file.h"
#include "tests/sweep_process.h"
#include "tests/temporary_folder.h"

namespace palimpsest {
namespace {

using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

std::string asked(int port, const std::string& request) {
  const int socket = ::socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  std::string answer;
  if (::connect(socket, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0 &&
      ::send(socket, request.data(), request.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(request.size())) {
    char part[4096];
    for (ssize_t count; (count = ::recv(socket, part, sizeof part, 0)) > 0;) answer.append(part, static_cast<std::size_t>(count));
  }
  ::close(socket);
  return answer;
}

struct Watched : testing::Test {
  TemporaryFolder folder;

  std::string definition(double seconds) {
    const auto file = folder / "sweep.toml";
    std::ofstream(file) << "study = \"planted\"\nname = \"watched\"\n[planted]\neffect = 3\nseconds = " << seconds
                        << "\n[sweep]\nimage_sets = 8\n[sweep.grid]\n\"planted.condition\" = [\"a\", \"b\"]\n[[claim]]\nname = \"b is more\"\n"
                           "metric = \"planted.score\"\nat = { images = \"familiar\" }\nchange = { epoch = [0, 10] }\ndirection = \"greater\"\n"
                           "treatment = { \"planted.condition\" = \"b\" }\nbaseline = { \"planted.condition\" = \"a\" }\n";
    return file;
  }
  std::vector<std::string> sweep(double seconds) { return palimpsest_command(0, {"sweep", definition(seconds), "--out", folder / "out"}); }

  int port() {
    const auto said = [&] { return std::filesystem::exists(folder / "web.log") ? read_file(folder / "web.log") : std::string(); };
    const std::string mark = "http://127.0.0.1:";
    EXPECT_TRUE(wait_until([&] { return said().find("/ shows") != std::string::npos; }));
    return std::stoi(said().substr(said().find(mark) + mark.size()));
  }
  static std::string get(int port, const std::string& path) { return asked(port, "GET " + path + " HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"); }
  static nlohmann::json json(int port, const std::string& path) {
    const std::string answer = get(port, path);
    return nlohmann::json::parse(answer.substr(answer.find("\r\n\r\n") + 4));
  }
  static nlohmann::json status(int port) { return json(port, "/status.json"); }
  static int reports_made(int port) { return json(port, "/made.json").value("/report.html", 0); }
};

TEST_F(Watched, AsAPageShowsProgressAndFiguresAndKeepsVerdictsUntilAllRunsAreThrough) {
  Process running(sweep(0.05), folder / "sweep.log");
  ASSERT_TRUE(wait_until([&] { return runs_done(folder / "out") > 0; }));
  Process web(palimpsest_command(0, {"watch", folder / "out", "--web"}), folder / "web.log");
  const int at = port();
  EXPECT_THAT(get(at, "/"), AllOf(StartsWith("HTTP/1.1 200"), HasSubstr("<title>Palimpsest")));
  EXPECT_EQ(status(at)["running"], true);
  EXPECT_TRUE(wait_until([&] { return get(at, "/claims.html").find("Verdicts come when all runs are through") != std::string::npos; }));
  EXPECT_TRUE(wait_until([&] { return reports_made(at) > 0; })) << "nobody asked for figures";
  const int on_the_way = reports_made(at);
  EXPECT_EQ(running.wait(), 0) << running.output();
  EXPECT_TRUE(wait_until([&] { return get(at, "/claims.html").find("supported") != std::string::npos; }));
  EXPECT_THAT(get(at, "/claims.html"), HasSubstr("b is more"));
  EXPECT_EQ(status(at)["runs"]["done"], 16);
  EXPECT_TRUE(wait_until([&] { return reports_made(at) > on_the_way; }));
  EXPECT_THAT(get(at, "/report.html"), HasSubstr("id=\"report-data\""));
  web.send(SIGINT);
  EXPECT_EQ(web.wait(), 0);
}

// What a browser makes of it: the page's own script fills in conditions, claims and figures.
TEST_F(Watched, InAChromiumShowsConditionsClaimsAndFigures) {
  std::string chromium;
  for (const char* name : {"chromium", "chromium-browser", "google-chrome"})
    if (chromium.empty() && std::system((std::string("command -v ") + name + " >/dev/null").c_str()) == 0) chromium = name;
  if (chromium.empty()) GTEST_SKIP() << "there is no Chromium (chromium, chromium-browser, google-chrome) on PATH to show the page in";
  ASSERT_EQ(Process(sweep(0), folder / "sweep.log").wait(), 0);
  Process web(palimpsest_command(0, {"watch", folder / "out", "--web"}), folder / "web.log");
  const int at = port();
  ASSERT_TRUE(wait_until([&] { return get(at, "/report.html").find("id=\"report-data\"") != std::string::npos; }));
  const auto shown = folder / "shown.html";
  const std::string command = chromium + " --headless --no-sandbox --disable-gpu --disable-dev-shm-usage --user-data-dir=" + (folder / "profile").string() +
                              " --virtual-time-budget=10000 --dump-dom http://127.0.0.1:" + std::to_string(at) + "/ >" + shown.string() + " 2>" + (folder / "chromium.log").string();
  ASSERT_EQ(std::system(command.c_str()), 0) << read_file(folder / "chromium.log");
  EXPECT_THAT(read_file(shown), AllOf(HasSubstr("data-shown=\"yes\""), HasSubstr("16 of 16 runs done"), HasSubstr("condition = a</td><td>8</td>"), HasSubstr("b is more"),
                                      HasSubstr("<iframe src=\"/report.html?1\""), Not(HasSubstr("<span class=\"lost\">"))));
}

TEST_F(Watched, AnswersNobodyElseAndGivesNoFiles) {
  ASSERT_EQ(Process(sweep(0), folder / "sweep.log").wait(), 0);
  Process web(palimpsest_command(0, {"watch", folder / "out", "--web"}), folder / "web.log");
  const int at = port();
  EXPECT_THAT(asked(at, "GET / HTTP/1.1\r\nHost: elsewhere.example\r\n\r\n"), StartsWith("HTTP/1.1 403"));
  EXPECT_THAT(asked(at, "POST / HTTP/1.1\r\nHost: localhost\r\n\r\n"), StartsWith("HTTP/1.1 405"));
  EXPECT_THAT(get(at, "/../out/ledger.sqlite"), StartsWith("HTTP/1.1 404"));
  EXPECT_THAT(get(at, "/ledger.sqlite"), StartsWith("HTTP/1.1 404"));
  Process taken(palimpsest_command(0, {"watch", folder / "out", "--web", "--port", std::to_string(at)}), folder / "taken.log");
  EXPECT_EQ(taken.wait(), 2);
  EXPECT_THAT(taken.output(), HasSubstr("Name another with --port"));
}

TEST_F(Watched, InTheTerminalEndsWithItsVerdictsWhenTheSweepIsThrough) {
  ASSERT_EQ(Process(sweep(0), folder / "sweep.log").wait(), 0);
  Process watch(palimpsest_command(0, {"watch", folder / "out"}), folder / "watch.log");
  EXPECT_EQ(watch.wait(), 0);
  EXPECT_THAT(watch.output(), AllOf(HasSubstr("16 of 16 runs done"), HasSubstr("supported")));
  Process nothing(palimpsest_command(0, {"watch", folder / "nowhere"}), folder / "nothing.log");
  EXPECT_EQ(nothing.wait(), 2);
}

}  // namespace
}  // namespace palimpsest
