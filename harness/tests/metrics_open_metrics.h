// A strict reader of OpenMetrics text: what metrics.om must obey, in one place. It accepts only
// what the project writes (counter, gauge, histogram, info; timestamps on every sample).
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdlib>
#include <map>
#include <optional>
#include <set>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

namespace soak::metrics {

struct OpenMetricsSample {
  std::string name, labels;  ///< `labels` as written between the braces, without le.
  std::string le;
  double value = 0, time = 0;
};

struct OpenMetricsText {
  std::vector<std::string> problems;
  std::map<std::string, std::string> types;  ///< Family -> type.
  std::vector<OpenMetricsSample> samples;
};

class OpenMetricsReader {
 public:
  static OpenMetricsText read(const std::string& text) {
    OpenMetricsReader reader;
    if (!text.ends_with("# EOF\n")) {
      reader.problem("does not end with # EOF and a line feed");
    }
    std::istringstream lines(text);
    for (std::string line; std::getline(lines, line);) {
      ++reader.line_;
      reader.read_line(line);
    }
    reader.finish_metric();
    return std::move(reader.out_);
  }

 private:
  void problem(const std::string& what) {
    if (out_.problems.size() < 20) {
      out_.problems.push_back("line " + std::to_string(line_) + ": " + what);
    }
  }

  void read_line(const std::string& line) {
    if (ended_) {
      problem("text after # EOF");
    } else if (line == "# EOF") {
      ended_ = true;
    } else if (line.starts_with("# TYPE ")) {
      finish_metric();
      std::istringstream words(line.substr(7));
      words >> family_ >> type_;
      begin_family();
    } else if (line.starts_with("# HELP ") || line.starts_with("# UNIT ")) {
      const std::string rest = line.substr(7);
      if (!rest.starts_with(family_ + " ") || has_samples_) {
        problem("metadata outside its family: " + line);
      }
      if (line.starts_with("# UNIT ") &&
          !family_.ends_with("_" + rest.substr(family_.size() + 1))) {
        problem("the unit is no suffix of the name: " + line);
      }
    } else {
      read_sample(line);
    }
  }

  void begin_family() {
    metric_.clear();
    has_samples_ = false;
    if (!out_.types.emplace(family_, type_).second) {
      problem("family twice: " + family_);
    }
    if (type_ != "counter" && type_ != "gauge" && type_ != "histogram" && type_ != "info") {
      problem("type " + type_);
    }
    for (const std::string_view reserved :
         {"_total", "_bucket", "_count", "_sum", "_created", "_info"}) {
      if (family_.ends_with(reserved)) {
        problem("family with a reserved suffix: " + family_);
      }
    }
  }

  [[nodiscard]] bool name_fits(const std::string& name) const {
    if (type_ == "counter") {
      return name == family_ + "_total";
    }
    if (type_ == "info") {
      return name == family_ + "_info";
    }
    if (type_ == "histogram") {
      return name == family_ + "_bucket" || name == family_ + "_count" || name == family_ + "_sum";
    }
    return name == family_;
  }

  /// key="value",key="value": returns the labels without le; nothing when it is malformed.
  std::optional<std::string> read_labels(std::string_view text, std::string& le) {
    std::string labels;
    std::set<std::string> keys;
    while (!text.empty()) {
      const std::size_t equals = text.find("=\"");
      if (equals == std::string_view::npos || equals == 0) {
        return std::nullopt;
      }
      const std::string key(text.substr(0, equals));
      std::size_t end = equals + 2;
      while (end < text.size() && text[end] != '"') {
        end += text[end] == '\\' ? 2U : 1U;
      }
      if (end >= text.size() || !keys.insert(key).second) {
        return std::nullopt;
      }
      const std::string value(text.substr(equals + 2, end - equals - 2));
      if (key == "le") {
        le = value;
      } else {
        labels += key + "=\"" + value + "\",";
      }
      text.remove_prefix(end + 1);
      if (text.starts_with(',') && text.size() > 1) {
        text.remove_prefix(1);
      } else if (!text.empty()) {
        return std::nullopt;
      }
    }
    return labels;
  }

  static std::optional<double> number(const std::string& text) {
    char* end = nullptr;
    const double value = std::strtod(text.c_str(), &end);
    return text.empty() || end != text.c_str() + text.size() ? std::nullopt : std::optional(value);
  }

  void read_sample(const std::string& line) {
    has_samples_ = true;
    OpenMetricsSample sample;
    const std::size_t values =
        line.find("} ") == std::string::npos ? line.find(' ') : line.rfind("} ") + 1;
    if (values == std::string::npos) {
      return problem("no value: " + line);
    }
    const std::string head = line.substr(0, values);
    const std::size_t brace = head.find('{');
    sample.name = head.substr(0, brace);
    if (brace != std::string::npos) {
      const auto labels =
          read_labels(std::string_view(head).substr(brace + 1, head.size() - brace - 2), sample.le);
      if (!labels.has_value() || head.back() != '}') {
        return problem("labels: " + line);
      }
      sample.labels = *labels;
    }
    const std::size_t space = line.find(' ', values + 1);
    const auto value = number(line.substr(values + 1, space - values - 1));
    const auto time = space == std::string::npos ? std::nullopt : number(line.substr(space + 1));
    if (!name_fits(sample.name) || !value.has_value() || !time.has_value()) {
      return problem("sample of " + type_ + " " + family_ + ": " + line);
    }
    sample.value = *value;
    sample.time = *time;
    check_order(sample, line);
    out_.samples.push_back(sample);
  }

  /// All points of a label set together, times growing; within a point each sample once, buckets
  /// cumulative and equal to the count.
  void check_order(const OpenMetricsSample& sample, const std::string& line) {
    const std::string metric = family_ + "{" + sample.labels + "}";
    if (metric != metric_) {
      finish_metric();
      metric_ = metric;
      if (!seen_.insert(metric).second) {
        problem("points of one series are apart: " + line);
      }
    } else if (sample.time < time_) {
      problem("time goes back: " + line);
    } else if (sample.time > time_) {
      finish_point();
    }
    time_ = sample.time;
    if (!point_.emplace(sample.name + sample.le, sample.value).second) {
      problem("the same sample twice at one time: " + line);
    }
    if (!sample.le.empty()) {
      if (sample.value < last_bucket_) {
        problem("buckets are not cumulative: " + line);
      }
      last_bucket_ = sample.value;
    }
    if ((type_ == "counter" || type_ == "histogram") &&
        (sample.value < 0 || std::isnan(sample.value))) {
      problem("a counter below zero: " + line);
    }
    if (type_ == "counter" && sample.value < last_counter_) {
      problem("a counter went back: " + line);
    }
    last_counter_ = sample.value;
  }

  void finish_point() {
    if (type_ == "histogram" && !point_.empty()) {
      const auto infinite = point_.find(family_ + "_bucket+Inf");
      const auto count = point_.find(family_ + "_count");
      if (infinite == point_.end() || count == point_.end() || !point_.contains(family_ + "_sum") ||
          infinite->second != count->second) {
        problem("incomplete histogram before here: " + metric_);
      }
    }
    point_.clear();
    last_bucket_ = 0;
  }

  void finish_metric() {
    finish_point();
    last_counter_ = 0;
  }

  OpenMetricsText out_;
  std::string family_, type_, metric_;
  std::set<std::string> seen_;
  std::map<std::string, double> point_;
  double time_ = 0, last_bucket_ = 0, last_counter_ = 0;
  bool has_samples_ = false, ended_ = false;
  std::size_t line_ = 0;
};

}  // namespace soak::metrics
