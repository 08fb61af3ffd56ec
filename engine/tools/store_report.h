// The reports of pluresdb-inspect and pluresdb-validate, as text and as JSON. docs/TOOLS.md shows
// both.
#pragma once

#include <string>

#include "engine/core/read_only_store.h"
#include "engine/io/file_system.h"
#include "engine/tools/command_line.h"
#include "engine/tools/store_checks.h"

namespace pluresdb::tools {

std::string inspect_text(core::ReadOnlyStore& store, const CheckedStore& checked, bool breakdown);
std::string inspect_json(core::ReadOnlyStore& store, const CheckedStore& checked, bool breakdown);
std::string validate_text(core::ReadOnlyStore& store, const CheckedStore& checked, bool integrity);
std::string validate_json(core::ReadOnlyStore& store, const CheckedStore& checked, bool integrity);

/// The tools themselves: open, check, report. Nothing of a report is printed when a part of it
/// could not be read.
ToolOutput inspect(io::FileSystem& files, const ToolArguments& arguments);
ToolOutput validate(io::FileSystem& files, const ToolArguments& arguments);

}  // namespace pluresdb::tools
