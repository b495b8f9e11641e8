#include "path/witness.h"

#include <cstdlib>
#include <new>

namespace sluice::path {

Witness::Witness(wire::Filter filter, size_t workers) : filter_(std::move(filter)) {
    const ssize_t size = rte_ring_get_memsize_elem(sizeof(Witnessed), kRingSize);
    for (size_t i = 0; i < workers; ++i) {
        Ring ring(static_cast<rte_ring*>(std::aligned_alloc(RTE_CACHE_LINE_SIZE, static_cast<size_t>(size))));
        if (ring == nullptr ||
            rte_ring_init(ring.get(), "witness", kRingSize, RING_F_SP_ENQ | RING_F_SC_DEQ) != 0) {
            throw std::bad_alloc();
        }
        rings_.push_back(std::move(ring));
    }
}

void Witness::tell(WorkerId worker, const Witnessed& witnessed) noexcept {
    rte_ring* ring = rings_[index(worker)].get();
    if (rte_ring_sp_enqueue_elem(ring, const_cast<Witnessed*>(&witnessed), sizeof witnessed) != 0) {
        lost_.fetch_add(1, std::memory_order_relaxed);
    }
}

bool Witness::take(WorkerId worker, Witnessed& witnessed) noexcept {
    return rte_ring_sc_dequeue_elem(rings_[index(worker)].get(), &witnessed, sizeof witnessed) == 0;
}

void Witness::Free::operator()(rte_ring* ring) const noexcept { std::free(ring); }

}  // namespace sluice::path
