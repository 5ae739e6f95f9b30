// Where configuration comes from: the file, conf.d, and whatever else stands at a path.
#include <gtest/gtest.h>
#include <sys/stat.h>

#include "fake_drivers.hpp"

namespace penumbra {
namespace {

using test::Errors;
using test::OriginOf;
using test::TestFolder;

constexpr const char* kMain = R"([upstream]
endpoint = "localhost"
reconnect = { base = "2s", max = "10s" }
[store]
retention = "1d"
max_size = "10MiB"
[[bus]]
name = "sim"
driver = "sim"
[[thing]]
name = "a"
bus = "sim"
point = [{ name = "t" }]
)";

LoadedConfig Load(const std::filesystem::path& file) {
  test::FakeDrivers drivers;
  return LoadConfig(file, drivers.Knowledge());
}

TEST(ConfigFiles, AMissingFileIsOneError) {
  const LoadedConfig config = Load("/nonexistent/penumbra.toml");
  EXPECT_EQ(Errors(config), "/nonexistent/penumbra.toml: error: cannot open the file: No such file or directory\n");
  EXPECT_FALSE(config.Ok());
}

TEST(ConfigFiles, AFolderAFifoAndAnEndlessFileAreRefused) {
  const TestFolder folder;
  EXPECT_NE(Errors(Load(folder.path())).find("this is a folder"), std::string::npos);
  const auto fifo = folder.path() / "fifo.toml";
  ASSERT_EQ(::mkfifo(fifo.c_str(), 0600), 0);
  EXPECT_NE(Errors(Load(fifo)).find("not a regular file"), std::string::npos);
  EXPECT_NE(Errors(Load(folder.Write("big.toml", std::string(5 << 20, '#')))).find("larger than 4 MiB"),
            std::string::npos);
}

TEST(ConfigFiles, AnEmptyFileOnlyWarns) {
  const TestFolder folder;
  const LoadedConfig config = Load(folder.Write("penumbra.toml", ""));
  EXPECT_TRUE(config.Ok()) << Errors(config);
  EXPECT_NE(test::Warnings(config).find("there is nothing to poll"), std::string::npos);
}

TEST(ConfigFiles, LaterFilesAddTablesAndReplaceScalars) {
  const TestFolder folder;
  const auto file = folder.Write("penumbra.toml", kMain);
  folder.Write("conf.d/20-later.toml", "[store]\nretention = \"3d\"\n");
  folder.Write(
      "conf.d/10-more.toml",
      "[store]\nretention = \"2d\"\n[upstream.reconnect]\nmax = \"20s\"\n[[thing]]\nname = \"b\"\nbus = \"sim\"\n"
      "point = [{ name = \"t\" }]\n");
  folder.Write("conf.d/30-ignored.toml.bak", "[nonsense");
  folder.Write("conf.d/.30-hidden.toml", "[nonsense");
  const LoadedConfig config = Load(file);
  ASSERT_TRUE(config.Ok()) << Errors(config);
  EXPECT_EQ(config.settings.store.retention, std::chrono::hours(72));
  EXPECT_EQ(config.settings.store.max_size, 10U << 20);
  EXPECT_EQ(config.settings.upstream.reconnect_base, std::chrono::seconds(2));
  EXPECT_EQ(config.settings.upstream.reconnect_max, std::chrono::seconds(20));
  ASSERT_EQ(config.settings.things.size(), 2U);
  EXPECT_EQ(config.settings.things[1].name, "b");
  EXPECT_EQ(OriginOf(config, "store.retention"), "\"3d\" @ conf.d/20-later.toml:2");
  EXPECT_EQ(OriginOf(config, "store.max_size"), "\"10MiB\" @ penumbra.toml:6");
}

TEST(ConfigFiles, FaultsNameTheFileTheyAreIn) {
  const TestFolder folder;
  const auto file = folder.Write("penumbra.toml", kMain);
  const auto more = folder.Write("conf.d/10-more.toml", "[store]\nretention = \"2 d\"\n[[thing]]\nname = \"a\"\n");
  const std::string errors = Errors(Load(file));
  EXPECT_NE(errors.find(more.string() + ":2:13: error: retention"), std::string::npos) << errors;
  EXPECT_NE(errors.find(more.string() + ":4:8: error: a second thing is called \"a\"; the first stands at "
                                        "penumbra.toml:11"),
            std::string::npos)
      << errors;
}

TEST(ConfigFiles, SyntaxErrorsOfAllFilesAreReportedAndNothingElse) {
  const TestFolder folder;
  const auto file = folder.Write("penumbra.toml", std::string(kMain) + "[[thing]]\nname = 1\n");
  folder.Write("conf.d/10.toml", "[store\n");
  folder.Write("conf.d/20.toml", "a = = 1\n");
  const LoadedConfig config = Load(file);
  ASSERT_EQ(config.diagnostics.size(), 2U) << Errors(config);
  EXPECT_NE(config.diagnostics[0].file.find("10.toml"), std::string::npos);
  EXPECT_EQ(config.diagnostics[1].line, 1);
}

TEST(ConfigFiles, RelativePathsStartWhereTheyAreWrittenAndCredentialsInTheStateFolder) {
  const TestFolder folder;
  const auto file =
      folder.Write("penumbra.toml", std::string(kMain) + "certificate = \"keys/a.crt\"\n[paths]\nstate = \"state\"\n");
  folder.Write("conf.d/10.toml", "[paths]\nrun = \"../run\"\nprofiles = \"p\"\n[upstream]\nroot_ca = \"roots.pem\"\n");
  const LoadedConfig config = Load(file);
  ASSERT_TRUE(config.Ok()) << Errors(config);
  const auto root = folder.path();
  EXPECT_EQ(config.settings.paths.state, root / "state");
  EXPECT_EQ(config.settings.paths.run, root / "run");
  EXPECT_EQ(config.settings.paths.profiles, root / "conf.d/p");
  EXPECT_EQ(config.settings.upstream.root_ca, root / "conf.d/roots.pem");
  EXPECT_EQ(config.settings.things[0].certificate, root / "state/keys/a.crt");
  EXPECT_EQ(config.settings.things[0].private_key, root / "state/credentials/a.pem.key");
}

}  // namespace
}  // namespace penumbra
