// The memory of an agent in two forms: a log of what it did, and documents of what it knows.
//
// Usage: pluresdb-example DIRECTORY. Run it twice on one directory: it goes on where it was.
#include <cstdint>
#include <cstdio>
#include <memory>
#include <string>

#include <pluresdb/document.h>
#include <pluresdb/engine.h>
#include <pluresdb/error.h>
#include <pluresdb/options.h>
#include <pluresdb/stats.h>
#include <pluresdb/write_ahead_log.h>

namespace {

/// The log used alone: every command in the order it happened, durable when append() returns.
pluresdb::Status remember_commands(const std::string& directory) {
  TRY_ASSIGN(const auto log, pluresdb::WriteAheadLog::open_with_options(
                                 directory, pluresdb::Durability::kWal, 8ULL << 20));
  pluresdb::Seq last = log->recovery().last_seq;
  (void)std::printf("log: %llu entries from before\n",
                    static_cast<unsigned long long>(log->recovery().wal.valid_entries));
  for (const char* command : {"git status", "make test", "git commit"}) {
    TRY_ASSIGN(last,
               log->append("shell", pluresdb::Put{.id = "command",
                                                  .json = std::string("\"") + command + "\""}));
    (void)std::printf("log: \"%s\" is safe, seq %llu\n", command,
                      static_cast<unsigned long long>(last));
  }
  TRY_ASSIGN(const auto entries, log->read_all());
  TRY_ASSIGN(const auto cursor, log->cursor(last));
  pluresdb::Entry entry;
  TRY_ASSIGN(const bool found, cursor->next(entry));
  if (found) {
    (void)std::printf("log: the last of %zu entries is %s by %s\n", entries.size(),
                      std::get<pluresdb::Put>(entry.operation).json.c_str(),
                      entry.stamp.actor.c_str());
  }
  TRY_ASSIGN(const auto report, log->validate());
  (void)std::printf("log: %llu of %llu entries valid, %s\n",
                    static_cast<unsigned long long>(report.valid_entries),
                    static_cast<unsigned long long>(report.total_entries),
                    report.is_healthy() ? "healthy" : "damaged");
  // Whoever has taken the entries over may let the log go up to there.
  TRY_ASSIGN(const std::uint64_t removed, log->compact(last));
  (void)std::printf("log: %llu segments removed\n", static_cast<unsigned long long>(removed));
  return log->close();
}

/// The document store: what the agent knows now, by id.
pluresdb::Status remember_facts(const std::string& directory) {
  TRY_ASSIGN(const auto engine, pluresdb::Engine::open_with_recovery(directory));
  (void)std::printf("store: %s, %llu entries replayed\n",
                    engine->recovery().created ? "created" : "opened",
                    static_cast<unsigned long long>(engine->recovery().replayed_entries));
  TRY(engine->put("planner", "fact/language", R"({"likes": "C++"})"));
  TRY(engine->put("planner", "fact/editor", R"({"likes": "ed"})"));
  TRY(engine->put("planner", "task/1", R"({"state": "done"})"));
  TRY(engine->erase("planner", "task/1"));
  TRY_ASSIGN(const auto facts, engine->list("fact/"));
  for (const auto& fact : facts) {
    (void)std::printf("store: %s = %s\n", fact.id.c_str(), fact.json.c_str());
  }
  TRY_ASSIGN(const auto task, engine->get("task/1"));
  (void)std::printf("store: task/1 is %s\n", task ? "there" : "gone");
  TRY_ASSIGN(const pluresdb::Seq seq, engine->checkpoint());
  (void)std::printf("store: checkpoint at seq %llu\n", static_cast<unsigned long long>(seq));
  return engine->close();
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2 || argv[1][0] == '-') {
    (void)std::fputs("usage: pluresdb-example DIRECTORY (its parent must exist)\n", stderr);
    return 2;
  }
  const std::string directory = argv[1];
  for (const auto& result :
       {remember_commands(directory + ".log"), remember_facts(directory + ".store")}) {
    if (!result) {
      (void)std::fprintf(stderr, "pluresdb-example: %s\n",
                         pluresdb::to_string(result.error()).c_str());
      return 1;
    }
  }
  return 0;
}
