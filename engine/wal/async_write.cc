// See async_write.h.
#include "engine/wal/async_write.h"

#include <memory>
#include <span>
#include <string_view>

#include "engine/wal/log.h"

namespace pluresdb::wal {

std::unique_ptr<AsyncWrite> AsyncWrite::copy_of(const AppendRequest& request) {
  auto write = std::make_unique<AsyncWrite>();
  write->is_async = true;
  write->bytes.reserve(request.actor.size() + request.id.size() + request.value.size());
  write->bytes.append(request.actor).append(request.id).append(request.value);
  const std::string_view bytes = write->bytes;
  write->request = request;
  write->request.actor = bytes.substr(0, request.actor.size());
  write->request.id = bytes.substr(request.actor.size(), request.id.size());
  write->request.value = bytes.substr(request.actor.size() + request.id.size());
  write->requests = std::span(&write->request, 1);
  return write;
}

}  // namespace pluresdb::wal
