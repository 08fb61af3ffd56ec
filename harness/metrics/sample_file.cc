// The points of a run in memory, and the two orders in which they are written.
#include "harness/metrics/sample_file.h"

#include <cerrno>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <iterator>
#include <limits>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>  // Not core.h: clang mangles vformat_to otherwise than libfmt's g++ did.
#include <unistd.h>

#include "harness/metrics/exporter.h"
#include "harness/metrics/metric_rows.h"
#include <pluresdb/error.h>

namespace soak::metrics {
namespace {

using pluresdb::ErrorCode;
using pluresdb::fail;
using pluresdb::Status;

constexpr double kMillisecondsPerSecond = 1000;
constexpr double kAbsent = std::numeric_limits<double>::quiet_NaN();
constexpr std::size_t kWriteBufferBytes = 1U << 16;

std::string escaped(std::string_view text, bool quotes) {
  std::string out;
  for (const char c : text) {
    if (c == '\\') {
      out += "\\\\";
    } else if (c == '\n') {
      out += "\\n";
    } else if (c == '"' && quotes) {
      out += "\\\"";
    } else {
      out += c;
    }
  }
  return out;
}

/// A counter's family has the name without _total, an info's without _info.
std::string_view family_name(const MetricInfo& info) {
  std::string_view name = info.name;
  if (info.type == MetricType::kCounter) {
    name.remove_suffix(std::string_view("_total").size());
  } else if (name.ends_with("_info")) {
    name.remove_suffix(std::string_view("_info").size());
  }
  return name;
}

std::string_view type_name(const MetricInfo& info) {
  switch (info.type) {
    case MetricType::kCounter:
      return "counter";
    case MetricType::kHistogram:
      return "histogram";
    case MetricType::kGauge:
      break;
  }
  return info.name.ends_with("_info") ? "info" : "gauge";
}

std::string header_of(const MetricInfo& info) {
  const std::string_view name = family_name(info);
  std::string out = fmt::format("# TYPE {} {}\n", name, type_name(info));
  for (const std::string_view unit : {"seconds", "bytes", "ratio"}) {
    if (name.ends_with(unit)) {
      out += fmt::format("# UNIT {} {}\n", name, unit);
    }
  }
  return out + fmt::format("# HELP {} {}\n", name, escaped(info.help, true));
}

std::string labels_of(const MetricInfo& info, const Series& series) {
  std::string out;
  for (std::size_t i = 0; i < info.labels.size(); ++i) {
    out += fmt::format("{}{}=\"{}\"", out.empty() ? "" : ",", info.labels[i],
                       escaped(series.label_values[i], true));
  }
  return out;
}

std::string sample_name(std::string_view name, std::string_view suffix, const std::string& labels) {
  return labels.empty() ? fmt::format("{}{}", name, suffix)
                        : fmt::format("{}{}{{{}}}", name, suffix, labels);
}

/// The canonical form of a bucket's bound: with a point or an exponent.
std::string bound_text(double bound) {
  std::string text = fmt::format("{}", bound);
  if (text.find_first_of(".e") == std::string::npos) {
    text += ".0";
  }
  return text;
}

std::vector<std::string> column_names(const MetricInfo& info, const Series& series,
                                      const std::string& labels) {
  if (info.type != MetricType::kHistogram) {
    return {sample_name(info.name, "", labels)};
  }
  std::vector<std::string> names;
  const std::string before = labels.empty() ? "" : labels + ",";
  for (std::size_t i = 0; i < series.histogram.cumulative_counts.size(); ++i) {
    const std::string bound = i < series.histogram.upper_bounds.size()
                                  ? bound_text(series.histogram.upper_bounds[i])
                                  : "+Inf";
    names.push_back(sample_name(info.name, "_bucket", fmt::format("{}le=\"{}\"", before, bound)));
  }
  names.push_back(sample_name(info.name, "_count", labels));
  names.push_back(sample_name(info.name, "_sum", labels));
  return names;
}

std::vector<double> column_values(const MetricInfo& info, const Series& series) {
  if (info.type != MetricType::kHistogram) {
    return {series.value};
  }
  std::vector<double> values;
  values.reserve(series.histogram.cumulative_counts.size() + 2);
  for (const std::uint64_t count : series.histogram.cumulative_counts) {
    values.push_back(static_cast<double>(count));
  }
  values.push_back(static_cast<double>(series.histogram.cumulative_counts.back()));
  values.push_back(series.histogram.sum);
  return values;
}

void append_line(std::string& out, const std::string& name, double value, const std::string& time) {
  fmt::format_to(std::back_inserter(out), "{} {} {}\n", name, value, time);
}

Status write_text(std::FILE* file, std::string_view text, const std::string& path) {
  if (std::fwrite(text.data(), 1, text.size(), file) != text.size()) {
    return fail(ErrorCode::kIo, "write " + path, errno);
  }
  return {};
}

void keep_every_second(std::vector<double>& values) {
  for (std::size_t i = 0; i < values.size(); i += 2) {
    values[i / 2] = values[i];
  }
  values.resize((values.size() + 1) / 2);
}

}  // namespace

void SampleFile::CloseFile::operator()(std::FILE* file) const {
  static_cast<void>(std::fclose(file));  // Errors were reported by the flush before.
}

pluresdb::Result<std::unique_ptr<SampleFile>> SampleFile::create(const std::string& path,
                                                                 std::size_t sample_times_max) {
  File file(std::fopen(path.c_str(), "we"));
  if (file == nullptr) {
    return fail(ErrorCode::kIo, "create " + path, errno);
  }
  return std::unique_ptr<SampleFile>(new SampleFile(path, std::move(file), sample_times_max));
}

void SampleFile::store_series(const MetricInfo& info, const Series& series, FamilyPoints& points) {
  const std::string labels = labels_of(info, series);
  const auto [position, is_new] = points.index.try_emplace(labels, points.metrics.size());
  if (is_new) {
    Metric metric;
    metric.names = column_names(info, series, labels);
    metric.columns.resize(metric.names.size());
    points.metrics.push_back(std::move(metric));
  }
  Metric& metric = points.metrics[position->second];
  const std::vector<double> values = column_values(info, series);
  for (std::size_t i = 0; i < values.size(); ++i) {
    metric.columns[i].resize(times_.size() - 1, kAbsent);
    metric.columns[i].push_back(values[i]);
  }
}

void SampleFile::store(std::span<const Family> families) {
  if (families_.empty()) {
    families_.resize(families.size());
    for (std::size_t i = 0; i < families.size(); ++i) {
      families_[i].header = header_of(*families[i].info);
    }
  }
  for (std::size_t i = 0; i < families.size(); ++i) {
    for (const Series& series : families[i].series) {
      store_series(*families[i].info, series, families_[i]);
    }
  }
}

void SampleFile::thin() {
  for (FamilyPoints& family : families_) {
    for (Metric& metric : family.metrics) {
      for (std::vector<double>& column : metric.columns) {
        column.resize(times_.size(), kAbsent);
        keep_every_second(column);
      }
    }
  }
  std::vector<std::string> times;
  for (std::size_t i = 0; i < times_.size(); i += 2) {
    times.push_back(std::move(times_[i]));
  }
  times_ = std::move(times);
  stride_ *= 2;
}

Status SampleFile::append_newest() {
  std::string out;
  const std::size_t newest = times_.size() - 1;
  for (const FamilyPoints& family : families_) {
    if (newest == 0) {
      out += family.header;
    }
    for (const Metric& metric : family.metrics) {
      for (std::size_t i = 0; i < metric.names.size(); ++i) {
        if (newest < metric.columns[i].size()) {
          append_line(out, metric.names[i], metric.columns[i][newest], times_[newest]);
        }
      }
    }
  }
  TRY(write_text(file_.get(), out, path_));
  if (std::fflush(file_.get()) != 0) {
    return fail(ErrorCode::kIo, "write " + path_, errno);
  }
  return {};
}

Status SampleFile::write_grouped(std::FILE* file, bool end) const {
  std::string out;
  for (const FamilyPoints& family : families_) {
    out += family.header;
    for (const Metric& metric : family.metrics) {
      for (std::size_t time = 0; time < times_.size(); ++time) {
        for (std::size_t i = 0; i < metric.names.size(); ++i) {
          if (time < metric.columns[i].size() && !std::isnan(metric.columns[i][time])) {
            append_line(out, metric.names[i], metric.columns[i][time], times_[time]);
          }
        }
        if (out.size() >= kWriteBufferBytes) {
          TRY(write_text(file, out, path_));
          out.clear();
        }
      }
    }
  }
  if (end) {
    out += "# EOF\n";
  }
  return write_text(file, out, path_);
}

/// Writes beside the file, then renames; appending goes on in the renamed file.
Status SampleFile::replace_file(bool end) {
  const std::string temporary = path_ + ".tmp";
  File file(std::fopen(temporary.c_str(), "we"));
  if (file == nullptr) {
    return fail(ErrorCode::kIo, "create " + temporary, errno);
  }
  TRY(write_grouped(file.get(), end));
  // NOLINTNEXTLINE(misc-include-cleaner): fileno is in <cstdio>, which is included.
  if (std::fflush(file.get()) != 0 || ::fsync(::fileno(file.get())) != 0) {
    return fail(ErrorCode::kIo, "write " + temporary, errno);
  }
  if (std::rename(temporary.c_str(), path_.c_str()) != 0) {
    return fail(ErrorCode::kIo, "rename " + temporary, errno);
  }
  file_ = std::move(file);
  return {};
}

Status SampleFile::append(std::span<const Family> families, double unix_seconds) {
  const bool kept = calls_++ % stride_ == 0;
  const long long now_ms = std::llround(unix_seconds * kMillisecondsPerSecond);
  if (finished_ || !kept || now_ms <= newest_ms_) {
    return {};
  }
  newest_ms_ = now_ms;
  if (times_.size() >= sample_times_max_) {
    thin();
    TRY(replace_file(false));
  }
  times_.push_back(fmt::format("{}.{:03}", now_ms / 1000, now_ms % 1000));
  store(families);
  return append_newest();
}

Status SampleFile::finish() {
  if (finished_) {
    return {};
  }
  finished_ = true;
  return replace_file(true);
}

}  // namespace soak::metrics
