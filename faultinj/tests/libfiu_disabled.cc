// A libfiu in which nothing ever fires: LD_PRELOAD puts it before the real one.
#include <fiu.h>

extern "C" int fiu_fail(const char* /*name*/) { return 0; }
