// Objects and routes that are added or deleted together: a document with the same lists as the configuration. All
// of it is carried out or nothing. Each keeps its place in the document, for mistakes. Control thread.
#pragma once

#include <string>
#include <vector>

#include "engine/added_object.h"
#include "route/route_config.h"

namespace sluice::engine {

struct Batch {
    struct Object {
        SharedObject object;
        std::string path = {};  // "ports[2]"; empty: the request is this object
        std::string file = {};  // of the document

        // A mistake in the object's own keys as one of the document: at the value that it is about, or at what is
        // around that.
        base::Error located(base::Error error) const;
        base::Errors located(const base::Errors& mistakes) const;
    };
    struct Route {
        route::RouteConfig route;
        std::string path;
        base::Place place;

        base::Error located(std::string message) const { return {std::move(message), path, place}; }
    };

    std::vector<Object> objects;  // those with faults too
    std::vector<Route> routes;    // those that can be read
    base::Errors errors = {};     // what is wrong with the document and its objects' keys: it can't be carried out
};

enum class Wanted {
    kObjects,  // each with its keys, which must be right
    kNames,    // what tells an object from others is enough
};

Batch read_batch(const base::Document& document, Wanted wanted);

}  // namespace sluice::engine
