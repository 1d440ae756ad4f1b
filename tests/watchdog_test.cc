#include "launch/watchdog.h"

#include <unistd.h>

#include <chrono>
#include <functional>
#include <thread>

#include <gtest/gtest.h>

namespace palimpsest {
namespace {

using namespace std::chrono_literals;

struct AWatchdog : testing::Test {
  AWatchdog() { GTEST_FLAG_SET(death_test_style, "threadsafe"); }
};

void live_long(const std::function<void(Watchdog&)>& what_befalls) {
  Watchdog watchdog(0ms);
  what_befalls(watchdog);
  std::this_thread::sleep_for(60s);
  _exit(0);
}

TEST_F(AWatchdog, EndsAProcessThatIsLateWithItsLastWords) {
  EXPECT_EXIT(live_long([](Watchdog& watchdog) {
                watchdog.set_last_words("nobody came");
                watchdog.end_within(1ms);
              }),
              testing::ExitedWithCode(3), "palimpsest: nobody came");
}

TEST_F(AWatchdog, LetsAProcessGoOnWhenTheEndWasCalledOff) {
  EXPECT_EXIT(
      {
        Watchdog watchdog(0ms);
        watchdog.end_within(2s);
        watchdog.call_off();
        std::this_thread::sleep_for(3s);
        _exit(7);
      },
      testing::ExitedWithCode(7), "");
}

TEST_F(AWatchdog, DoesNotPutOffAnEndThatWasNear) {
  EXPECT_EXIT(live_long([](Watchdog& watchdog) {
                watchdog.end_within(1ms);
                watchdog.end_within(1h);
              }),
              testing::ExitedWithCode(3), "");
}

TEST_F(AWatchdog, EndsAProcessBeforeALaterEndWhenWhomItWorksForIsGone) {
  EXPECT_EXIT(live_long([](Watchdog& watchdog) {
                watchdog.end_within(1h);
                watchdog.watch({.host = {}, .pid = 0x3fffffff});
              }),
              testing::ExitedWithCode(3), "");
}

}  // namespace
}  // namespace palimpsest
