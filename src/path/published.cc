#include "path/published.h"

#include <cstdlib>
#include <new>

namespace sluice::path {

Grace::Grace(uint16_t readers) {
    size_t size = rte_rcu_qsbr_get_memsize(readers);
    size = (size + RTE_CACHE_LINE_SIZE - 1) / RTE_CACHE_LINE_SIZE * RTE_CACHE_LINE_SIZE;
    qsbr_ = static_cast<rte_rcu_qsbr*>(std::aligned_alloc(RTE_CACHE_LINE_SIZE, size));
    if (qsbr_ == nullptr) throw std::bad_alloc();
    rte_rcu_qsbr_init(qsbr_, readers);
    for (uint16_t i = 0; i < readers; ++i) rte_rcu_qsbr_thread_register(qsbr_, i);
}

Grace::~Grace() { std::free(qsbr_); }

}  // namespace sluice::path
