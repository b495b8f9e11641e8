#include "sluicectl/command_line.h"

#include <gtest/gtest.h>

#include <fmt/format.h>

#include <fstream>
#include <iterator>
#include <sstream>

#include "sluicectl/help.h"
#include "sluicectl/params.h"
#include "sluicectl/wrap.h"

namespace sluice::sluicectl {
namespace {

using nlohmann::json;

TEST(CommandLine, OptionsStandBeforeOrAfterTheVerb) {
    const std::vector<std::string> lines[] = {
        {"--json", "--socket", "/s", "mac", "list", "--network", "blue"},
        {"mac", "list", "--network=blue", "--socket=/s", "--json"},
        {"mac", "--json", "--network", "blue", "list", "--socket", "/s"},
    };
    for (const auto& words : lines) {
        const auto line = parse(words);
        ASSERT_TRUE(line) << line.error().message;
        EXPECT_EQ(line->verb->words, "mac list");
        EXPECT_TRUE(line->json);
        EXPECT_EQ(line->socket, "/s");
        EXPECT_EQ(line->arguments.options.at("network"), "blue");
        EXPECT_TRUE(line->arguments.words.empty());
    }
}

TEST(CommandLine, TakesAVerbApartFromItsArguments) {
    const auto line = parse({"port", "add", "web", "a=1", "b=2"});
    ASSERT_TRUE(line) << line.error().message;
    EXPECT_EQ(line->verb->words, "port add");
    EXPECT_EQ(line->arguments.words, (std::vector<std::string>{"web", "a=1", "b=2"}));
    EXPECT_FALSE(line->socket);
}

TEST(CommandLine, TextStaysTextWhateverItLooksLike) {
    const auto line = parse({"port", "add", "5", "netns=7", "network=010", "mtu=1400", "host=true",
                             "trunk={networks: [20, true], native: 1.0}", "bond.members=[1, 2]",
                             "routes=[{to: default}]"});
    ASSERT_TRUE(line) << line.error().message;
    EXPECT_EQ(params_of(*line->verb, line->arguments).value()["port"],
              R"({"name": "5", "netns": "7", "network": "010", "mtu": 1400, "host": true,
                  "trunk": {"networks": ["20", "true"], "native": "1.0"}, "bond": {"members": ["1", "2"]},
                  "routes": [{"to": "default"}]})"_json);
}

TEST(CommandLine, TakesOptionsWithoutAValue) {
    for (const auto& words : std::vector<std::vector<std::string>>{
             {"device", "bind", "03:00.0", "--force", "--driver", "uio_pci_generic"},
             {"--force", "device", "bind", "--driver=uio_pci_generic", "03:00.0"}}) {
        const auto line = parse(words);
        ASSERT_TRUE(line) << line.error().message;
        EXPECT_EQ(params_of(*line->verb, line->arguments).value(),
                  R"({"address": "03:00.0", "driver": "uio_pci_generic", "force": true})"_json);
    }
    const auto line = parse({"device", "bind", "03:00.0"});
    ASSERT_TRUE(line) << line.error().message;
    EXPECT_EQ(params_of(*line->verb, line->arguments).value(), R"({"address": "03:00.0"})"_json);
}

TEST(CommandLine, AnOptionMayHaveAValueOrNone) {
    const auto value = [](std::vector<std::string> words) {
        const auto line = parse(words);
        return line ? line->arguments.options.at("wait") : line.error().message;
    };
    EXPECT_EQ(value({"port", "add", "web", "netns=w", "--wait"}), "");
    EXPECT_EQ(value({"port", "add", "--wait", "web", "netns=w"}), "");
    EXPECT_EQ(value({"port", "add", "web", "netns=w", "--wait=5"}), "5");
    EXPECT_EQ(parse({"--watch", "port", "list"})->watch, 1);
}

TEST(CommandLine, AnOptionIsNotFollowedByItsValue) {
    for (const std::vector<std::string>& words : {std::vector<std::string>{"port", "list", "--watch", "5"},
                                                  {"--watch", "0.5", "status"},
                                                  {"port", "add", "web", "netns=w", "--wait", "5"}}) {
        const auto line = parse(words);
        ASSERT_FALSE(line) << words[0];
        EXPECT_NE(line.error().message.find("is written --wa"), std::string::npos) << line.error().message;
    }
    EXPECT_TRUE(parse({"--watch", "status"}));
}

TEST(CommandLine, TheLimitOfAnAnswerIsAVerbsOwnOrGeneral) {
    EXPECT_EQ(parse({"--timeout", "2.5", "status"})->timeout, 2.5);
    EXPECT_EQ(parse({"status"})->timeout, std::nullopt);
    const auto own = parse({"wait", "--timeout", "2.5"});
    EXPECT_EQ(own->timeout, std::nullopt);
    EXPECT_EQ(own->arguments.options.at("timeout"), "2.5");
}

TEST(CommandLine, WaitIsForTheDaemonOrForAPort) {
    EXPECT_EQ(wait_params(parse({"wait"})->arguments).value(), R"({"timeout": 30.0})"_json);
    const auto line = parse({"wait", "port", "web", "--timeout", "0.5"});
    ASSERT_TRUE(line) << line.error().message;
    EXPECT_EQ(line->verb->words, "wait port");
    EXPECT_EQ(wait_params(line->arguments).value(), R"({"name": "web", "timeout": 0.5})"_json);
    for (const char* seconds : {"x", "-1", "1s", "100000"}) {
        EXPECT_EQ(wait_params(parse({"wait", "--timeout", seconds})->arguments).error().status, kUsage) << seconds;
        EXPECT_EQ(port_params(parse({"port", "add", "w", "a=b", std::string("--wait=") + seconds})->arguments)
                      .error().status, kUsage) << seconds;
    }
}

TEST(CommandLine, SaysWhatIsWrong) {
    struct Row {
        std::vector<std::string> words;
        const char* message;
    };
    const Row rows[] = {
        {{}, "what shall it do?"},
        {{"stauts"}, "there is no command 'stauts'; did you mean 'status'?"},
        {{"port", "lst", "web"}, "there is no command 'port lst'; did you mean 'port list'?"},
        {{"drosp", "web"}, "there is no command 'drosp web'; did you mean 'drops'?"},
        {{"port"}, "'port' is only half of a command"},
        {{"frobnicate"}, "there is no command 'frobnicate'"},
        {{"port", "show"}, "port show needs PORT"},
        {{"port", "add", "web"}, "port add needs NAME KEY=VALUE... [--wait[=S]]"},
        {{"wait", "--watch"}, "wait goes on by itself: leave out --watch"},
        {{"wait", "port"}, "wait port needs PORT [--timeout S]"},
        {{"port", "show", "a", "b"}, "'b' is one argument too many"},
        {{"status", "--network", "x"}, "status takes no --network"},
        {{"drops", "-w", "-"}, "drops takes no -w"},
        {{"capture", "web", "--watch"}, "capture goes on by itself: leave out --watch"},
        {{"capture", "web", "-w"}, "the required argument for option '-w' is missing"},
        {{"device", "unbind", "03:00.0", "--force"}, "device unbind takes no --force"},
        {{"status", "--jso"}, "unrecognised option '--jso'"},
        {{"port", "rm", "web"}, "there is no command 'port rm'; did you mean 'port delete'?"},
        {{"route", "get", "10.0.0.1"}, "there is no command 'route get'; did you mean 'route lookup'?"},
        {{"ports"}, "there is no command 'ports'; did you mean 'port list'?"},
        {{"neighbors", "ls"}, "there is no command 'neighbors ls'; did you mean 'neighbor list'?"},
        {{"help", "prot"}, "there is no command 'prot'"},
        {{"status", "--socket"}, "the required argument for option '--socket' is missing"},
    };
    for (const Row& row : rows) {
        const auto line = parse(row.words);
        ASSERT_FALSE(line) << row.message;
        EXPECT_EQ(line.error().message, row.message);
        EXPECT_FALSE(line.error().usage.empty()) << row.message;
    }
}

TEST(CommandLine, HelpAndVersionNeedNoVerb) {
    EXPECT_TRUE(parse({"--help"})->help);
    EXPECT_TRUE(parse({"port", "add", "--help"})->help);
    EXPECT_TRUE(parse({"--version"})->version);
    EXPECT_TRUE(parse({"help"})->help);
    EXPECT_EQ(parse({"help", "port", "add"})->verb->words, "port add");
    EXPECT_TRUE(parse({"help", "protocol"})->protocol);
}

TEST(Help, NamesEveryVerbInItsGroup) {
    for (const Verb& verb : verbs())
        EXPECT_NE(help().find("\n  " + std::string(verb.words) + " "), std::string::npos) << verb.words;
    for (const Group& group : groups()) {
        EXPECT_NE(help().find(fmt::format("\n{}:\n  {} ", group.title, group.first)), std::string::npos)
            << group.title;
    }
}

TEST(Help, FitsEightyColumns) {
    std::string all = help() + help_of_protocol();
    for (const Verb& verb : verbs()) all += help_of(verb);
    std::istringstream lines(all);
    for (std::string line; std::getline(lines, line);) {
        EXPECT_LE(width_of(line), 80u) << line;
        EXPECT_FALSE(line.ends_with(' ')) << line;
    }
}

// An example that its own verb doesn't take would be a lie.
TEST(Help, ExamplesAreOfTheirVerb) {
    for (const Verb& verb : verbs()) {
        std::istringstream words{std::string(verb.example)};
        const auto line = parse({std::istream_iterator<std::string>(words), {}});
        if (verb.example.find('\'') != verb.example.npos) continue;  // for a shell
        ASSERT_TRUE(line) << verb.example << ": " << line.error().message;
        EXPECT_EQ(line->verb->words, verb.words);
        EXPECT_NE(help_of(verb).find("Example: sluicectl " + std::string(verb.example)), std::string::npos);
    }
}

TEST(Help, ExplainsEveryArgument) {
    for (const Verb& verb : verbs()) {
        const std::string text = help_of(verb);
        const std::string below = text.substr(text.find("\n\n"));
        std::istringstream words(arguments_of(verb));
        for (std::string word; words >> word;) {
            if (word.starts_with('[')) word.erase(0, 1);
            if (word.ends_with("...")) word.resize(word.size() - 3);
            if (word.ends_with(']')) word.pop_back();
            EXPECT_NE(below.find(word), std::string::npos) << verb.words << ": " << word;
        }
    }
}

// Every parameter of a method that a verb could offer is one of its arguments.
TEST(Help, NoParameterIsForgotten) {
    for (const Verb& verb : verbs()) {
        if (verb.params != nullptr && verb.method != std::string_view(protocol::kTrace)) continue;
        for (const auto& parameter : protocol::find_method(verb.method)->parameters) {
            if (parameter.type == protocol::Type::kList || parameter.type == protocol::Type::kObject) continue;
            if (parameter.name == "brief") continue;  // of a list of questions
            const std::string arguments = " " + std::string(verb.arguments) + " ";
            EXPECT_TRUE(arguments.find(fmt::format(" {} ", parameter.name)) != arguments.npos ||
                        arguments.find(fmt::format(" --{} ", parameter.name)) != arguments.npos)
                << verb.words << ": " << parameter.name;
        }
    }
}

TEST(Help, TheReferenceDescribesEveryMethod) {
    const auto described = describe_protocol().at("methods");
    ASSERT_EQ(described.size(), std::size(protocol::kMethods));
    for (size_t i = 0; i < described.size(); ++i) {
        const auto& method = protocol::kMethods[i];
        EXPECT_EQ(described[i]["method"], method.name);
        EXPECT_EQ(described[i]["parameters"].size(), method.parameters.size());
        EXPECT_NE(help_of_protocol().find(fmt::format("\n{} (", method.name)), std::string::npos) << method.name;
    }
}

// A file's name goes with its text, and alone is refused.
TEST(Help, TheExampleOfACheckIsOneOfAText) {
    const std::string text = help_of_protocol();
    const size_t check = text.find("\nconfig.check (");
    ASSERT_NE(check, text.npos);
    const std::string example = text.substr(text.find("Example: ", check));
    EXPECT_TRUE(example.starts_with(R"(Example: {"text": "ports: []\n"})")) << example.substr(0, 80);
}

TEST(Help, CompletionSpellsOutWords) {
    EXPECT_NE(list_verbs().find("[--proto tcp|udp|sctp|icmp|icmpv6]"), std::string::npos);
    EXPECT_NE(list_verbs().find("\nport show\tPORT\n"), std::string::npos);
}

TEST(CommandLine, WordsAreCheckedBeforeTheDaemonSeesThem) {
    const auto line = parse({"flow", "list", "--state", "establshed"});
    ASSERT_TRUE(line) << line.error().message;
    EXPECT_EQ(params_of(*line->verb, line->arguments).error().message,
              "--state 'establshed': did you mean 'established'?");
    const auto empty = parse({"flow", "flush", "--address="});
    EXPECT_FALSE(empty && params_of(*empty->verb, empty->arguments));
}

TEST(CommandLine, ShortOptionsHaveValues) {
    const auto line = parse({"capture", "-w", "-", "web", "-f", "icmp and host 10.0.0.1", "-c5"});
    ASSERT_TRUE(line) << line.error().message;
    EXPECT_EQ(line->arguments.words, std::vector<std::string>{"web"});
    EXPECT_EQ(line->arguments.options,
              (std::map<std::string, std::string>{{"-w", "-"}, {"-f", "icmp and host 10.0.0.1"}, {"-c", "5"}}));
}

TEST(CommandLine, KubectlsSpellingsAreUnderstood) {
    using Options = std::map<std::string, std::string>;
    const auto options = [](const std::vector<std::string>& words) {
        const auto line = parse(words);
        EXPECT_TRUE(line) << line.error().message;
        return line ? line->arguments.options : Options{};
    };
    EXPECT_EQ(options({"get", "pods", "--namespace", "shop", "--output=wide"}), (Options{{"-n", "shop"}, {"-o", "wide"}}));
    EXPECT_EQ(options({"get", "all", "--all-namespaces", "--selector", "a=b"}), (Options{{"-A", ""}, {"-l", "a=b"}}));
    EXPECT_EQ(options({"apply", "--filename=x", "--dry-run=server"}), (Options{{"-f", "x"}, {"dry-run", ""}}));
    EXPECT_EQ(options({"apply", "-f", "x", "--dry-run=none"}), (Options{{"-f", "x"}}));
    EXPECT_EQ(options({"policy", "list", "-n", "shop"}), (Options{{"namespace", "shop"}}));
    EXPECT_EQ(options({"policy", "list", "-A"}), Options{});
    const auto several = parse({"apply", "-f", "x", "-f", "y"});
    ASSERT_TRUE(several) << several.error().message;
    EXPECT_EQ(several->arguments.files, (std::vector<std::string>{"x", "y"}));
    EXPECT_FALSE(parse({"add", "-f", "x", "-f", "y"}));
    const auto names = parse({"delete", "pod", "a", "b", "-n", "shop"});
    ASSERT_TRUE(names) << names.error().message;
    EXPECT_EQ(params_of(*names->verb, names->arguments).value(),
              R"({"kind": "pod", "name": "a,b", "namespace": "shop"})"_json);
    const auto all = parse({"get", "all"});
    EXPECT_EQ(params_of(*all->verb, all->arguments).value(), R"({"namespace": "default"})"_json);
}

Params port(std::vector<std::string> words) {
    return port_params({std::move(words), {}});
}

TEST(Params, PortKeysAreYamlAndNest) {
    const auto params =
        port({"web", "address=[10.0.0.2/24,fd00::2/64]", "queues=2", "host=true",
              "mac=02:00:00:00:00:01", "vhost-user.path=/run/x=y", "vhost-user.queues=4",
              "labels={app: web}", "device=0000:03:00.1", "text='007'"});
    ASSERT_TRUE(params) << params.error().message;
    EXPECT_EQ(*params, R"({"port": {"name": "web", "address": ["10.0.0.2/24", "fd00::2/64"],
        "queues": 2, "host": true, "mac": "02:00:00:00:00:01",
        "vhost-user": {"path": "/run/x=y", "queues": 4}, "labels": {"app": "web"},
        "device": "0000:03:00.1", "text": "007"}})"_json);
}

TEST(Params, PortKeysAreCheckedBeforeTheDaemonSeesThem) {
    for (const char* word : {"address", "=x", "a..b=1", "a.=1", "a=", "a=[", "name=other"}) {
        const auto params = port({"web", word});
        ASSERT_FALSE(params) << word;
        EXPECT_EQ(params.error().status, kUsage) << word;
    }
    EXPECT_EQ(port({"web", "a=1", "a=2"}).error().message,
              "'a=2' sets what an earlier argument has set");
    EXPECT_FALSE(port({"web", "a=1", "a.b=2"}));
    EXPECT_FALSE(port({"web", "a.b=2", "a=1"}));
}

Params route(std::vector<std::string> words, bool replace = false) {
    Arguments arguments{std::move(words), {}};
    if (replace) arguments.options["replace"] = "";
    return route_add_params(arguments);
}

TEST(Params, RouteKeysAreThoseOfTheFile) {
    EXPECT_EQ(route({"10.1.0.0/16", "via=10.0.0.1", "network=blue", "domain=red"}).value(),
              R"({"route": {"to": "10.1.0.0/16", "via": "10.0.0.1", "network": "blue",
                            "domain": "red"}})"_json);
    EXPECT_EQ(route({"fd00::/64", "via=fd00::1"}, true).value(),
              R"({"route": {"to": "fd00::/64", "via": "fd00::1"}, "replace": true})"_json);
    EXPECT_EQ(route({"10.1.0.0/16", "type=blackhole"}).value(),
              R"({"route": {"to": "10.1.0.0/16", "type": "blackhole"}})"_json);
}

TEST(Params, SeveralGatewaysAreSeveralNextHops) {
    EXPECT_EQ(route({"10.1.0.0/16", "via=10.0.0.1", "network=blue", "via=10.0.0.2"}).value(),
              R"({"route": {"to": "10.1.0.0/16", "next-hops": [
                  {"via": "10.0.0.1", "network": "blue"}, {"via": "10.0.0.2", "network": "blue"}]}})"_json);
    EXPECT_EQ(route({"10.1.0.0/16", "next-hops=[{via: 10.0.0.1}]"}).value(),
              R"({"route": {"to": "10.1.0.0/16", "next-hops": [{"via": "10.0.0.1"}]}})"_json);
    EXPECT_EQ(route({"10.1.0.0/16", "via=10.0.0.1", "via=10.0.0.2", "next-hops=[]"}).error().status, kUsage);
    EXPECT_EQ(route({"10.1.0.0/16", "via"}).error().status, kUsage);
    EXPECT_EQ(route({"10.1.0.0/16", "to=10.2.0.0/16"}).error().status, kUsage);
}

TEST(Params, ListsOfRoutesHaveALimit) {
    const auto list = [](const std::string& limit) {
        const auto line = parse({"route", "list", "10.0.0.0/8", "--domain=red", "--limit=" + limit});
        EXPECT_TRUE(line) << line.error().message;
        return params_of(*line->verb, line->arguments);
    };
    EXPECT_EQ(list("5").value(), R"({"within": "10.0.0.0/8", "domain": "red", "limit": 5})"_json);
    for (const char* limit : {"0", "-1", "x", "5x", "1000000"}) {
        EXPECT_EQ(list(limit).error().status, kUsage) << limit;
    }
    const auto all = parse({"route", "list"});
    EXPECT_EQ(params_of(*all->verb, all->arguments).value(), json::object());
}

TEST(Params, FileGoesWithItsAbsolutePathAndText) {
    const std::string name = testing::TempDir() + "sluice-params-" + std::to_string(getpid());
    std::ofstream(name) << "ports: []\n";
    const auto params = file_params({{name}, {}});
    ASSERT_TRUE(params) << params.error().message;
    EXPECT_EQ(*params, (json{{"file", name}, {"text", "ports: []\n"}}));
    std::ofstream(name, std::ios::trunc).close();
    EXPECT_EQ(file_params({{name}, {}}).value()["text"], "");
    std::remove(name.c_str());
    EXPECT_EQ(file_params({{name}, {}}).error().status, kFailed);
    EXPECT_EQ(file_params({{"/tmp"}, {}}).error().message, "/tmp is a directory");
    EXPECT_EQ(file_params({{"/dev/zero"}, {}}).error().message, "/dev/zero is a device, and no file");
    EXPECT_EQ(file_params({}).value(), json::object());
}

}  // namespace
}  // namespace sluice::sluicectl
