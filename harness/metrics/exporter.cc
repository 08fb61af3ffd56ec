// The HTTP endpoint. The only file that includes prometheus-cpp, and so the only one that catches
// its exceptions.
#include "harness/metrics/exporter.h"

#include <cerrno>
#include <charconv>
#include <chrono>
#include <cstddef>
#include <cstring>
#include <exception>
#include <expected>
#include <future>
#include <limits>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/core.h>
#include <netdb.h>
#include <prometheus/client_metric.h>
#include <prometheus/collectable.h>
#include <prometheus/exposer.h>
#include <prometheus/metric_family.h>
#include <prometheus/metric_type.h>
#include <sys/socket.h>
#include <unistd.h>

#include "harness/metrics/metric_rows.h"
#include "harness/metrics/sample_file.h"
#include <pluresdb/error.h>

namespace soak::metrics {
namespace {

using pluresdb::ErrorCode;
using pluresdb::fail;

constexpr std::size_t kServerThreads = 2;
constexpr std::chrono::milliseconds kKnockInterval{20};

prometheus::MetricType to_prometheus(MetricType type) {
  switch (type) {
    case MetricType::kCounter:
      return prometheus::MetricType::Counter;
    case MetricType::kGauge:
      return prometheus::MetricType::Gauge;
    case MetricType::kHistogram:
      break;
  }
  return prometheus::MetricType::Histogram;
}

prometheus::ClientMetric::Histogram to_prometheus(const HistogramValue& value) {
  prometheus::ClientMetric::Histogram out;
  out.sample_count = value.cumulative_counts.back();
  out.sample_sum = value.sum;
  for (std::size_t i = 0; i < value.cumulative_counts.size(); ++i) {
    out.bucket.push_back({.cumulative_count = value.cumulative_counts[i],
                          .upper_bound = i < value.upper_bounds.size()
                                             ? value.upper_bounds[i]
                                             : std::numeric_limits<double>::infinity()});
  }
  return out;
}

prometheus::ClientMetric to_prometheus(const MetricInfo& info, const Series& series) {
  prometheus::ClientMetric out;
  for (std::size_t i = 0; i < info.labels.size(); ++i) {
    out.label.push_back({.name = std::string(info.labels[i]), .value = series.label_values[i]});
  }
  switch (info.type) {
    case MetricType::kCounter:
      out.counter.value = series.value;
      break;
    case MetricType::kGauge:
      out.gauge.value = series.value;
      break;
    case MetricType::kHistogram:
      out.histogram = to_prometheus(series.histogram);
      break;
  }
  return out;
}

/// The newest numbers. Thread: any.
class Numbers : public prometheus::Collectable {
 public:
  explicit Numbers(Source source) : source_(std::move(source)) {}

  void update(const RunNumbers& numbers) {
    const std::lock_guard lock(mutex_);
    source_.update(numbers);
  }
  [[nodiscard]] std::vector<Family> families() const {
    const std::lock_guard lock(mutex_);
    return soak::metrics::collect(source_);
  }
  [[nodiscard]] std::vector<prometheus::MetricFamily> Collect() const override {
    std::vector<prometheus::MetricFamily> out;
    for (const Family& family : families()) {
      prometheus::MetricFamily converted{.name = std::string(family.info->name),
                                         .help = std::string(family.info->help),
                                         .type = to_prometheus(family.info->type),
                                         .metric = {}};
      for (const Series& series : family.series) {
        converted.metric.push_back(to_prometheus(*family.info, series));
      }
      if (!converted.metric.empty()) {
        out.push_back(std::move(converted));
      }
    }
    return out;
  }

 private:
  mutable std::mutex mutex_;
  Source source_;  ///< Guarded by mutex_.
};

struct ListenAddress {
  std::string host;  ///< As given, with the brackets of IPv6.
  std::string port;
};

pluresdb::Result<ListenAddress> parse_listen(const std::string& listen) {
  const std::size_t colon = listen.rfind(':');
  unsigned port = 0;
  const char* const end = listen.data() + listen.size();
  if (colon == std::string::npos || colon == 0 ||
      std::from_chars(listen.data() + colon + 1, end, port).ptr != end ||
      colon + 1 == listen.size() || port > 65535) {
    return fail(
        ErrorCode::kInvalidArgument,
        fmt::format("metrics address \"{}\": expected ADDRESS:PORT as 127.0.0.1:9464", listen));
  }
  return ListenAddress{.host = listen.substr(0, colon), .port = listen.substr(colon + 1)};
}

std::string without_brackets(const std::string& host) {
  return host.starts_with('[') && host.ends_with(']') ? host.substr(1, host.size() - 2) : host;
}

using AddressInfo = std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)>;

/// `status`: of getaddrinfo, 0 when an address came back.
AddressInfo resolve(const ListenAddress& address, int& status) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_PASSIVE | AI_NUMERICHOST | AI_NUMERICSERV;
  addrinfo* found = nullptr;
  status =
      ::getaddrinfo(without_brackets(address.host).c_str(), address.port.c_str(), &hints, &found);
  return {found, &::freeaddrinfo};
}

/// Opens a connection and closes it.
void knock(const ListenAddress& address) {
  int status = 0;
  const AddressInfo found = resolve(address, status);
  const int descriptor =
      status == 0 ? ::socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0) : -1;
  if (descriptor >= 0) {
    // A refusal means that nobody listens any more, which is what the caller waits for.
    static_cast<void>(::connect(descriptor, found->ai_addr, found->ai_addrlen));
    ::close(descriptor);
  }
}

/// Why an address cannot be bound: the server library does not say, so it is tried once more.
pluresdb::Error bind_error(const ListenAddress& address, const std::string& listen) {
  int status = 0;
  const AddressInfo found = resolve(address, status);
  if (status != 0) {
    return {.code = ErrorCode::kIo,
            .context = fmt::format("serve metrics on {}: \"{}\" is not a numeric address ({})",
                                   listen, address.host, ::gai_strerror(status))};
  }
  const int descriptor = ::socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
  int number = errno;
  if (descriptor >= 0) {
    number = ::bind(descriptor, found->ai_addr, found->ai_addrlen) == 0 ? 0 : errno;
    ::close(descriptor);
  }
  std::string_view advice = "try another address with --listen ADDRESS:PORT";
  if (number == EADDRINUSE) {
    advice =
        "another process listens there; choose another port, or let one be chosen, with "
        "--listen 127.0.0.1:0";
  } else if (number == EACCES) {
    advice = "ports below 1024 need rights; choose another with --listen 127.0.0.1:0";
  } else if (number == EADDRNOTAVAIL) {
    advice = "this machine has no such address; --listen 127.0.0.1:0 always works";
  }
  return {.code = ErrorCode::kIo,
          .sys_errno = number,
          .context = fmt::format("serve metrics on {}: {}", listen, advice)};
}

class PrometheusExporter : public Exporter {
 public:
  PrometheusExporter(std::shared_ptr<Numbers> numbers, std::unique_ptr<SampleFile> samples)
      : numbers_(std::move(numbers)), samples_(std::move(samples)) {}

  PrometheusExporter(const PrometheusExporter&) = delete;
  PrometheusExporter& operator=(const PrometheusExporter&) = delete;
  PrometheusExporter(PrometheusExporter&&) = delete;
  PrometheusExporter& operator=(PrometheusExporter&&) = delete;
  ~PrometheusExporter() override { stop_serving(); }

  pluresdb::Status listen(const std::string& listen) {
    TRY_ASSIGN(const ListenAddress parsed, parse_listen(listen));
    try {
      exposer_ = std::make_unique<prometheus::Exposer>(listen, kServerThreads);
      exposer_->RegisterCollectable(numbers_);  // Kept as a weak pointer only.
      const std::vector<int> ports = exposer_->GetListeningPorts();
      if (ports.empty()) {
        return fail(ErrorCode::kIo, fmt::format("serve metrics on {}: no port was bound", listen));
      }
      bound_ = {.host = parsed.host, .port = fmt::format("{}", ports.front())};
      address_ = fmt::format("{}:{}", bound_.host, bound_.port);
    } catch (const std::exception&) {
      return std::unexpected(bind_error(parsed, listen));
    }
    return {};
  }

  [[nodiscard]] std::string address() const override { return address_; }
  void update(const RunNumbers& numbers) override { numbers_->update(numbers); }
  pluresdb::Status sample(double unix_seconds) override {
    if (samples_ == nullptr) {
      return {};
    }
    return samples_->append(numbers_->families(), unix_seconds);
  }
  pluresdb::Status finish() override {
    return samples_ == nullptr ? pluresdb::Status{} : samples_->finish();
  }

 private:
  /// The server's thread looks whether it shall stop only after a connection, or every 2 s. It gets
  /// connections until it has stopped.
  void stop_serving() {
    if (exposer_ == nullptr) {
      return;
    }
    const std::future<void> stopped = std::async(std::launch::async, [this] { exposer_.reset(); });
    do {
      knock(bound_);
    } while (stopped.wait_for(kKnockInterval) == std::future_status::timeout);
  }

  std::shared_ptr<Numbers> numbers_;
  std::unique_ptr<SampleFile> samples_;
  ListenAddress bound_;
  std::string address_;
  std::unique_ptr<prometheus::Exposer> exposer_;  ///< Last: its threads end first.
};

}  // namespace

pluresdb::Result<std::unique_ptr<Exporter>> Exporter::start(const ExporterOptions& options) {
  std::unique_ptr<SampleFile> samples;
  if (!options.samples_file.empty()) {
    TRY_ASSIGN(samples, SampleFile::create(options.samples_file));
  }
  Source source;
  source.region = options.region;
  source.scenario = options.scenario;
  source.version = options.version;
  source.seed = fmt::format("{}", options.seed);
  auto exporter = std::make_unique<PrometheusExporter>(std::make_shared<Numbers>(std::move(source)),
                                                       std::move(samples));
  if (!options.listen.empty()) {
    TRY(exporter->listen(options.listen));
  }
  return exporter;
}

}  // namespace soak::metrics
