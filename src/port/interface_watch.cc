#include "port/interface_watch.h"

#include <utility>

namespace sluice::port {
namespace {

// If a host's routes change all the time, notifications are lost all the time, and each look reads all its
// routes.
constexpr int kRestAfterLoss = 25;

}  // namespace

base::Result<InterfaceWatch> InterfaceWatch::open(int index, std::vector<IpPrefix> destinations) {
    auto shared = NamespaceWatch::here();
    if (!shared) return tl::unexpected(shared.error());
    auto listener = std::make_unique<Listener>(Listener{.index = index, .destinations = std::move(destinations)});
    if (auto done = (*shared)->add(*listener); !done) return tl::unexpected(done.error());
    InterfaceWatch watch;
    watch.namespace_ = std::move(*shared);
    watch.listener_ = std::move(listener);
    watch.losses_ = watch.namespace_->losses();
    return watch;
}

InterfaceWatch& InterfaceWatch::operator=(InterfaceWatch&& other) noexcept {
    if (this == &other) return *this;
    close();
    namespace_ = std::move(other.namespace_);
    listener_ = std::move(other.listener_);
    losses_ = other.losses_;
    rest_ = other.rest_;
    return *this;
}

void InterfaceWatch::close() noexcept {
    if (listener_) namespace_->remove(*listener_);
    listener_.reset();
    namespace_.reset();
}

bool InterfaceWatch::read() {
    if (!listener_) return false;
    namespace_->take();
    bool told = std::exchange(listener_->has_news, false);
    if (rest_ > 0) --rest_;
    if (losses_ != namespace_->losses() && rest_ == 0) {
        losses_ = namespace_->losses();
        rest_ = kRestAfterLoss;
        told = true;
    }
    return told;
}

}  // namespace sluice::port
