// The per-worker state of the features on a packet's way, each of which may use those before it; and the tables
// that the stages of one batch see.
#pragma once

#include "link/link.h"
#include "policy/tracker.h"
#include "port/pools.h"
#include "responder/responder.h"
#include "tunnel/output.h"
#include "view/tables.h"

namespace sluice::engine {

// What packets cause beside themselves. Those of a dry run cause nothing.
struct Effects {
    size_t most_asked = link::Link::kMostAsked;  // neighbors, in a batch
    policy::Steps::Hits hits = policy::Steps::Hits::kCounted;
    responder::Responder::Effect answers = responder::Responder::Effect::kUsual;
};

struct Features {
    explicit Features(port::Pools pools, Effects effects = {})
        : link(pools, effects.most_asked),
          output(pools, link),
          responder(pools, link, output, effects.answers),
          tracker(link, effects.hits) {}
    Features(const Features&) = delete;

    link::Link link;
    tunnel::Output output;
    responder::Responder responder;
    policy::Tracker tracker;
};

struct PathTables : view::Tables {
    Features& features;
};

}  // namespace sluice::engine
