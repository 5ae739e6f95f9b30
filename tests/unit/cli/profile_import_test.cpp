// Lists of points become TOML, or a complaint with the line.
#include "cli/profile_import.hpp"

#include <gmock/gmock.h>

namespace penumbra::cli {
namespace {

using testing::HasSubstr;

std::string Fault(std::string_view csv) {
  const auto points = ImportPoints(csv, "point");
  return points ? "" : points.error().message;
}

std::string Toml(std::string_view csv) {
  const auto points = ImportPoints(csv, "point");
  EXPECT_TRUE(points.has_value()) << points.error().message;
  return points ? points->toml : "";
}

TEST(ProfileImport, SaysWhatIsWrongAndInWhichLine) {
  EXPECT_THAT(Fault(""), HasSubstr("names the columns"));
  EXPECT_THAT(Fault("name,address\n"), HasSubstr("a line for each point"));
  EXPECT_THAT(Fault("name,type\na,u16\n"), HasSubstr("there is no address"));
  EXPECT_THAT(Fault("name,adress\na,1\n"), HasSubstr("did you mean address?"));
  EXPECT_THAT(Fault("name,address,address\na,1,2\n"), HasSubstr("is there twice"));
  EXPECT_THAT(Fault("name,address\na,1\nb,x\n"), HasSubstr("line 3: address is \"x\", which is no number"));
  EXPECT_THAT(Fault("name,address\na,1\na,2\n"), HasSubstr("line 3: a point is already called \"a\""));
  EXPECT_THAT(Fault("name,address\n,1\n"), HasSubstr("line 2: name is missing"));
  EXPECT_THAT(Fault("name,address\na,1,2\n"), HasSubstr("more cells"));
  EXPECT_THAT(Fault("name,address\n\"a,1\n"), HasSubstr("not closed"));
  EXPECT_THAT(Fault("name,address,unit\na,1,\"x\ny\"\n"), HasSubstr("cannot stand there"));
  EXPECT_THAT(Fault("name,address,unit\na,1,\xff\n"), HasSubstr("cannot stand there"));
  EXPECT_THAT(Fault("name,address,invalid\na,1,0x7FFF;x\n"), HasSubstr("several stand with spaces"));
}

TEST(ProfileImport, TakesATableAsAManualHasIt) {
  EXPECT_EQ(Toml("Name,Table,Address,Type,Scale,Unit,Description\n"
                 "Supply Temp.,Input,0x0A,S16,0.1,Cel,\"of the air, outside\"\n"
                 "2nd stage,holding,17,u16,,,\n"),
            "[[point]]\nname = \"supply_temp\"\ntable = \"input\"\naddress = 10\ntype = \"s16\"\nscale = 0.1\nunit = "
            "\"Cel\"\n"
            "\n[[point]]\nname = \"p2nd_stage\"\ntable = \"holding\"\naddress = 17\ntype = \"u16\"\n");
}

TEST(ProfileImport, TakesWhatASpreadsheetOfAnotherCountryWrites) {
  EXPECT_EQ(Toml("\xEF\xBB\xBFname;register;factor;minimum;invalid\r\nA;0010h;0,1;-40;0x7FFF 65535\r\n"),
            "[[point]]\nname = \"a\"\naddress = 16\nscale = 0.1\ninvalid = [32767, 65535]\nmin = -40\n");
}

TEST(ProfileImport, AnEntityNumberKeepsItsQuotationMarks) {
  EXPECT_THAT(Toml("name,address\na,40001\n"), HasSubstr("address = \"40001\""));
  EXPECT_THAT(Toml("name,address\na,00001\n"), HasSubstr("address = \"00001\""));
  EXPECT_THAT(Toml("name,table,address\na,holding,40001\n"), HasSubstr("address = 40001\n"));
}

TEST(ProfileImport, NoCellBreaksOutOfItsQuotationMarks) {
  EXPECT_THAT(Toml("name,address,unit\na,1,\"\"\"\\\"\n"), HasSubstr("unit = \"\\\"\\\\\"\n"));
}

TEST(ProfileImport, KnowsTheLineOfEachKey) {
  const auto points = ImportPoints("name,address\na,1\n\nb,2\n", "point");
  ASSERT_TRUE(points);
  EXPECT_EQ(points->csv_line, (std::vector<int>{2, 2, 2, 4, 4, 4, 4}));
}

}  // namespace
}  // namespace penumbra::cli
