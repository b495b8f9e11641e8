#include "punt/line.h"

#include <gtest/gtest.h>
#include <poll.h>

#include <cstring>
#include <thread>

#include "punt/thread.h"

namespace sluice::punt {
namespace {

constexpr path::PortId kPort{7};
constexpr path::PortId kOther{8};

bool ask(Line& line, path::PortId port, uint16_t size = 1) {
    Message* question = line.begin_question(port);
    if (question == nullptr) return false;
    question->head = {.port = port};
    question->size = size;
    line.ask(port);
    return true;
}

bool rings(const Bell& bell) {
    pollfd wait{.fd = bell.descriptor(), .events = POLLIN, .revents = 0};
    return poll(&wait, 1, 0) == 1;
}

TEST(PuntLine, QuestionsComeInTheirOrder) {
    Bell bell;
    Line line(bell);
    EXPECT_EQ(line.question(), nullptr);
    for (uint16_t i = 0; i < 100; ++i) ASSERT_TRUE(ask(line, kPort, i));
    for (uint16_t i = 0; i < 100; ++i) {
        ASSERT_NE(line.question(), nullptr);
        EXPECT_EQ(line.question()->size, i);
        line.end_question();
    }
    EXPECT_EQ(line.question(), nullptr);
}

TEST(PuntLine, APortKeepsNoOtherFromAsking) {
    Bell bell;
    Line line(bell);
    for (int i = 0; i < Line::kMostOfAPort; ++i) ASSERT_TRUE(ask(line, kPort));
    EXPECT_FALSE(ask(line, kPort));
    EXPECT_TRUE(ask(line, kOther));
    line.end_question();
    EXPECT_TRUE(ask(line, kPort)) << "one of its own was taken";
    EXPECT_FALSE(ask(line, kPort));
}

TEST(PuntLine, AFullRingTakesNoMore) {
    Bell bell;
    Line line(bell);
    size_t asked = 0;
    while (ask(line, path::PortId{static_cast<uint16_t>(asked / Line::kMostOfAPort)})) ++asked;
    EXPECT_EQ(asked, Line::kSlots);
    line.end_question();
    EXPECT_TRUE(ask(line, kPort));
}

TEST(PuntLine, TheBellRingsForASleeperAndOnce) {
    Bell bell;
    Line line(bell);
    ASSERT_TRUE(ask(line, kPort));
    EXPECT_FALSE(rings(bell)) << "the thread is awake, and looks by itself";
    bell.set_asleep();
    ASSERT_TRUE(ask(line, kPort));
    EXPECT_TRUE(rings(bell));
    bell.set_awake();
    EXPECT_FALSE(rings(bell));
    ASSERT_TRUE(ask(line, kPort));
    EXPECT_FALSE(rings(bell));
}

TEST(PuntLine, AnswersAreTakenInTurns) {
    Bell bell;
    Line line(bell);
    EXPECT_FALSE(line.has_answers());
    for (uint16_t i = 0; i < 5; ++i) {
        Message* answer = line.begin_answer();
        ASSERT_NE(answer, nullptr);
        answer->size = i;
        line.answer();
    }
    std::vector<uint16_t> sizes;
    const auto take = [&](const Message& answer) { sizes.push_back(answer.size); };
    ASSERT_TRUE(line.has_answers());
    line.take_answers(3, take);
    EXPECT_EQ(sizes, (std::vector<uint16_t>{0, 1, 2}));
    EXPECT_TRUE(line.has_answers());
    line.take_answers(3, take);
    EXPECT_EQ(sizes, (std::vector<uint16_t>{0, 1, 2, 3, 4}));
    EXPECT_FALSE(line.has_answers());
}

// The thread repeats what it is asked, in capitals.
TEST(PuntThread, AnswersWhatItIsAskedThoughItSleepsInBetween) {
    std::atomic<int> wakes{0};
    Thread thread({[&] { ++wakes; }});
    Line& line = thread.line(0);
    thread.start([&thread](const Message& question) {
        std::string text(reinterpret_cast<const char*>(question.bytes.data()), question.size);
        for (char& letter : text) letter = static_cast<char>(std::toupper(letter));
        EXPECT_TRUE(thread.send(question.head, std::as_bytes(std::span(text))));
    });
    constexpr std::string_view kText = "who is web?";
    for (int i = 0; i < 1000; ++i) {
        Message* question = line.begin_question(kPort);
        ASSERT_NE(question, nullptr);
        question->head = {.port = kPort, .station_port = static_cast<uint16_t>(i)};
        question->size = kText.size();
        std::memcpy(question->bytes.data(), kText.data(), kText.size());
        line.ask(kPort);
        if (i % 10 == 0) std::this_thread::sleep_for(std::chrono::microseconds(100));
        int answers = 0;
        while (answers == 0) {
            if (!line.has_answers()) std::this_thread::yield();
            line.take_answers(10, [&](const Message& answer) {
                ++answers;
                EXPECT_EQ(answer.head.station_port, i);
                EXPECT_EQ(std::string(reinterpret_cast<const char*>(answer.bytes.data()), answer.size),
                          "WHO IS WEB?");
            });
        }
        ASSERT_EQ(answers, 1);
    }
    thread.stop();
    EXPECT_GT(wakes, 0);
}

TEST(PuntThread, WhatIsTooLongOrTooMuchIsNotSent) {
    Thread thread({[] {}});
    std::vector<std::byte> payload(kMostBytes + 1);
    EXPECT_FALSE(thread.send({}, payload));
    payload.pop_back();
    for (size_t i = 0; i < Line::kSlots; ++i) ASSERT_TRUE(thread.send({}, payload));
    EXPECT_FALSE(thread.send({}, payload));
    EXPECT_EQ(thread.lost_answers(), 2U);
}

}  // namespace
}  // namespace sluice::punt
