// A copy of a power-loss journal, to try on it what a power loss would do.
#pragma once

#include <pluresdb/error.h>

namespace faultinj {

/// A new journal that holds what `journal_fd` holds now; the caller closes it. Nobody may append
/// meanwhile. kIo.
pluresdb::Result<int> clone_power_loss_journal(int journal_fd);

}  // namespace faultinj
