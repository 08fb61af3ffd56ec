// Goal: dashboards/ shows what a run exports and nothing else. Method: every name in every file is
// looked up in the table of metrics; JSON is parsed and its panels checked; YAML is parsed by
// PyYAML where it is installed, and by its outer rules everywhere.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <regex>
#include <set>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

#include <gtest/gtest.h>
#include <simdjson.h>

#include "harness/metrics/exporter.h"

namespace soak::metrics {
namespace {

namespace fs = std::filesystem;

std::string read_file(const fs::path& path) {
  const std::ifstream stream(path, std::ios::binary);
  std::ostringstream text;
  text << stream.rdbuf();
  return text.str();
}

std::vector<fs::path> files(const std::vector<std::string>& extensions) {
  std::vector<fs::path> out;
  for (const auto& entry : fs::recursive_directory_iterator(DASHBOARDS_FOLDER)) {
    if (std::ranges::find(extensions, entry.path().extension().string()) != extensions.end()) {
      out.push_back(entry.path());
    }
  }
  std::ranges::sort(out);
  return out;
}

std::set<std::string> matches(const std::string& text, const char* pattern, std::size_t group) {
  const std::regex expression(pattern);
  std::set<std::string> out;
  for (std::sregex_iterator match(text.begin(), text.end(), expression), end; match != end;
       ++match) {
    out.insert((*match)[group].str());
  }
  return out;
}

/// Histograms are named with the suffix of one of their series, and never without.
bool is_exported(std::string_view name) {
  return std::ranges::any_of(metric_table(), [&](const MetricInfo& info) {
    if (info.type != MetricType::kHistogram) {
      return name == info.name;
    }
    return name.starts_with(info.name) &&
           (name.substr(info.name.size()) == "_bucket" || name.substr(info.name.size()) == "_sum" ||
            name.substr(info.name.size()) == "_count");
  });
}

std::set<std::string> known_labels() {
  std::set<std::string> labels = {"le", "instance", "job"};
  for (const MetricInfo& info : metric_table()) {
    labels.insert(info.labels.begin(), info.labels.end());
  }
  return labels;
}

/// All strings under the key `expr`, wherever it is.
void collect_expressions(simdjson::dom::element element, std::vector<std::string>& out) {
  simdjson::dom::array array;
  simdjson::dom::object object;
  if (element.get(array) == simdjson::SUCCESS) {
    for (const simdjson::dom::element child : array) {
      collect_expressions(child, out);
    }
  } else if (element.get(object) == simdjson::SUCCESS) {
    for (const simdjson::dom::key_value_pair field : object) {
      std::string_view text;
      if (field.key == "expr" && field.value.get(text) == simdjson::SUCCESS) {
        out.emplace_back(text);
      }
      collect_expressions(field.value, out);
    }
  }
}

class Dashboards : public ::testing::Test {
 protected:
  simdjson::dom::element parse(const fs::path& path) {
    simdjson::dom::element root;
    EXPECT_EQ(parser_.parse(read_file(path)).get(root), simdjson::SUCCESS) << path;
    return root;
  }
  static std::string text(simdjson::dom::element element, std::string_view pointer) {
    std::string_view value;
    return element.at_pointer(pointer).get(value) == simdjson::SUCCESS ? std::string(value) : "";
  }
  static std::int64_t number(simdjson::dom::element element, std::string_view pointer) {
    std::int64_t value = -1;
    EXPECT_EQ(element.at_pointer(pointer).get(value), simdjson::SUCCESS) << pointer;
    return value;
  }
  simdjson::dom::parser parser_;
};

TEST_F(Dashboards, EveryMetricNamedAnywhereIsExported) {
  std::size_t names = 0;
  for (const fs::path& path : files({".json", ".yml"})) {
    for (const std::string& name :
         matches(read_file(path), R"(\b((pluresdb|soak)_[a-z0-9_]+)\b)", 1)) {
      EXPECT_TRUE(is_exported(name)) << name << " in " << path;
      ++names;
    }
  }
  EXPECT_GE(names, 35U);
}

TEST_F(Dashboards, EveryLabelInAnExpressionOrLegendIsExported) {
  const std::set<std::string> labels = known_labels();
  std::size_t uses = 0;
  for (const fs::path& path : files({".json"})) {
    std::vector<std::string> expressions;
    collect_expressions(parse(path), expressions);
    EXPECT_GE(expressions.size(), 40U) << path;
    std::set<std::string> used = matches(read_file(path), R"(\{\{([a-z_]+)\}\})", 1);
    for (const std::string& expression : expressions) {
      used.merge(matches(expression, R"([{,]\s*([a-z_]+)\s*=~?")", 1));
      for (const std::string& list :
           matches(expression, R"((by|on|group_left)\s*\(([a-z_, ]+)\))", 2)) {
        used.merge(matches(list, "[a-z_]+", 0));
      }
    }
    for (const std::string& label : used) {
      EXPECT_TRUE(labels.contains(label)) << label << " in " << path;
      ++uses;
    }
  }
  EXPECT_GE(uses, 6U);
}

TEST_F(Dashboards, EveryExpressionIsOfTheChosenRunAndItsBracketsMatch) {
  for (const fs::path& path : files({".json"})) {
    std::vector<std::string> expressions;
    collect_expressions(parse(path), expressions);
    for (const std::string& expression : expressions) {
      EXPECT_NE(expression.find("instance=\"$instance\""), std::string::npos) << expression;
      for (const auto& [open, close] : {std::pair('(', ')'), {'{', '}'}, {'[', ']'}}) {
        EXPECT_EQ(std::ranges::count(expression, open), std::ranges::count(expression, close))
            << expression;
      }
    }
  }
}

TEST_F(Dashboards, EachHasAUidOfItsOwnAndAChoiceOfDataSource) {
  std::set<std::string> uids;
  for (const fs::path& path : files({".json"})) {
    const simdjson::dom::element root = parse(path);
    EXPECT_TRUE(uids.insert(text(root, "/uid")).second) << path;
    EXPECT_GE(number(root, "/schemaVersion"), 39);
    EXPECT_EQ(text(root, "/templating/list/0/type"), "datasource");
  }
  EXPECT_GE(uids.size(), 1U);
  EXPECT_FALSE(uids.contains(""));
}

struct Rectangle {
  std::int64_t x = 0, y = 0, width = 0, height = 0;
};

bool overlap(const Rectangle& a, const Rectangle& b) {
  return a.x < b.x + b.width && b.x < a.x + a.width && a.y < b.y + b.height && b.y < a.y + a.height;
}

TEST_F(Dashboards, PanelsSayWhatTheyShowAndDoNotOverlap) {
  for (const fs::path& path : files({".json"})) {
    simdjson::dom::array panels;
    ASSERT_EQ(parse(path).at_pointer("/panels").get(panels), simdjson::SUCCESS);
    std::set<std::int64_t> ids;
    std::vector<Rectangle> places;
    for (const simdjson::dom::element panel : panels) {
      const std::string title = text(panel, "/title");
      EXPECT_NE(title, "");
      EXPECT_TRUE(ids.insert(number(panel, "/id")).second) << title;
      const Rectangle place = {number(panel, "/gridPos/x"), number(panel, "/gridPos/y"),
                               number(panel, "/gridPos/w"), number(panel, "/gridPos/h")};
      EXPECT_LE(place.x + place.width, 24) << title;
      for (const Rectangle& other : places) {
        EXPECT_FALSE(overlap(place, other)) << title;
      }
      places.push_back(place);
      if (text(panel, "/type") != "row") {
        EXPECT_NE(text(panel, "/description"), "") << title;
        EXPECT_NE(text(panel, "/fieldConfig/defaults/unit"), "") << title;
        EXPECT_EQ(text(panel, "/datasource/uid"), "${datasource}") << title;
        EXPECT_NE(text(panel, "/targets/0/expr"), "") << title;
      }
    }
    EXPECT_GE(ids.size(), 20U);
  }
}

TEST(DashboardYaml, FollowsItsOuterRules) {
  const std::vector<fs::path> yaml = files({".yml"});
  EXPECT_GE(yaml.size(), 4U);
  const std::regex entry(R"(^ *(- )*([A-Za-z_][A-Za-z_-]*:( .*)?|- .+|-?[A-Za-z0-9.].*)$)");
  for (const fs::path& path : yaml) {
    std::istringstream lines(read_file(path));
    for (std::string line; std::getline(lines, line);) {
      const std::size_t indent = line.find_first_not_of(' ');
      if (indent == std::string::npos || line[indent] == '#') {
        continue;
      }
      EXPECT_EQ(line.find('\t'), std::string::npos) << path << ": " << line;
      EXPECT_EQ(indent % 2, 0U) << path << ": " << line;
      EXPECT_TRUE(std::regex_match(line, entry)) << path << ": " << line;
    }
  }
}

TEST(DashboardYaml, IsReadByAYamlParser) {
  if (std::system("python3 -c 'import yaml' >/dev/null 2>&1") != 0) {
    GTEST_SKIP() << "PyYAML is not installed (package python3-yaml)";
  }
  for (const fs::path& path : files({".yml"})) {
    const std::string command =
        "python3 -c 'import sys, yaml; sys.exit(not isinstance(yaml.safe_load("
        "open(sys.argv[1])), dict))' \"" +
        path.string() + "\"";
    EXPECT_EQ(std::system(command.c_str()), 0) << path;
  }
}

}  // namespace
}  // namespace soak::metrics
