use super::*;
use crate::frames;
use crate::protocols::Mode;

/// A conversation of one teacher and one student, with the server's part played by the test.
struct Play {
    conversation: Conversation,
    now: Instant,
}

const TEACHER: usize = 0;
const STUDENT: usize = 1;

impl Play {
    fn new(options: Options) -> Self {
        let now = Instant::now();
        let options = Options { teachers: 1, students: 1, ..options };
        Self { conversation: Conversation::new(&options, now), now }
    }

    /// Both have joined and are in chat 7.
    fn in_chat(options: Options) -> Self {
        let mut stage = Self::new(options);
        for (user, topic) in [(TEACHER, "presence:teachers"), (STUDENT, "presence:student:1")] {
            stage.conversation.opened(user, stage.now);
            stage.say(user, &format!(r#"{{"topic":"{topic}","event":"phx_reply","payload":{{"status":"ok","response":{{}}}},"ref":"5"}}"#));
        }
        stage.say(
            TEACHER,
            r#"{"topic":"presence:teachers","event":"new:chat:1","payload":{"id":"7"},"ref":null}"#,
        );
        stage.say(
            STUDENT,
            r#"{"topic":"presence:student:1","event":"new:chat","payload":{"id":"7"},"ref":null}"#,
        );
        stage.sent(TEACHER);
        stage.sent(STUDENT);
        for user in [TEACHER, STUDENT] {
            stage.chat(user, "chat:ready", "{}");
        }
        stage
    }

    fn say(&mut self, user: usize, text: &str) {
        self.conversation.text(user, text, self.now);
    }

    fn chat(&mut self, user: usize, event: &str, payload: &str) {
        self.say(user, &format!(r#"{{"topic":"chats:7","event":"{event}","payload":{payload},"ref":null}}"#));
    }

    /// What a user has sent since the last look, unmasked, as one text.
    fn sent(&mut self, user: usize) -> String {
        let mut text = String::new();
        let mut rest = self.conversation.outbox.pending(user).to_vec();
        self.conversation.outbox.written(user, rest.len());
        while !rest.is_empty() {
            rest[1] &= 0x7f;
            let size = frames::parse(&rest).unwrap().unwrap().size + 4;
            let start = size - frames::parse(&rest).unwrap().unwrap().payload.len();
            let plain = (start..size).map(|i| rest[i] ^ rest[start - 4 + (i - start) % 4]);
            text.push_str(&String::from_utf8(plain.collect()).unwrap());
            rest.drain(..size);
        }
        text
    }

    fn errors(&self) -> Vec<&'static str> {
        self.conversation.stats.errors.keys().copied().collect()
    }
}

fn count(message_count: u32) -> Options {
    Options { message_count: Some(message_count), ..Options::default() }
}

#[test]
fn a_whole_chat_serves_the_student() {
    let mut stage = Play::in_chat(count(1));
    let asked =
        r#"{"topic":"chats:7","event":"teacher:send","payload":{"message":"Message from teacher: 1"}"#;
    assert!(stage.sent(TEACHER).starts_with(asked));
    stage.chat(STUDENT, "student:receive", r#"{"message":"Message from teacher: 1"}"#);
    assert!(
        stage.sent(STUDENT).contains(r#""student:send","payload":{"message":"Message #1 from student: 1"}"#)
    );
    stage.chat(TEACHER, "teacher:receive", r#"{"message":"Message #1 from student: 1"}"#);
    assert!(stage.sent(TEACHER).contains("chat:terminate"));
    stage.chat(TEACHER, "chat:terminated", "{}");
    let after = stage.sent(TEACHER);
    assert!(after.contains("phx_leave") && after.contains("claim:student"), "{after}");
    stage.chat(STUDENT, "chat:terminated", "{}");
    assert!(stage.sent(STUDENT).contains(r#""topic":"presence:student:1","event":"phx_leave""#));
    assert!(!stage.conversation.is_over());
    stage.say(STUDENT, r#"{"topic":"presence:student:1","event":"phx_reply","payload":{"status":"ok","response":{}},"ref":"26"}"#);
    assert!(stage.conversation.is_over());
    let stats = &stage.conversation.stats;
    assert_eq!((stats.messages, stats.chats, stats.served), (2, 1, 1));
    assert_eq!(stage.errors(), [""; 0]);
}

#[test]
fn students_come_back_until_the_time_is_up() {
    let options = Options { duration: Some(Duration::from_secs(1)), ..count(1) };
    let mut stage = Play::in_chat(options);
    stage.conversation.terminate(0);
    stage.chat(STUDENT, "chat:terminated", "{}");
    assert!(stage.sent(STUDENT).contains("student:ready"));
    stage.chat(TEACHER, "chat:terminated", "{}");
    for (user, topic) in [(TEACHER, "presence:teachers"), (STUDENT, "presence:student:1")] {
        let event = if user == TEACHER { "new:chat:1" } else { "new:chat" };
        stage.say(
            user,
            &format!(r#"{{"topic":"{topic}","event":"{event}","payload":{{"id":"8"}},"ref":null}}"#),
        );
    }
    stage.conversation.close(stage.now);
    stage.sent(STUDENT);
    stage.say(STUDENT, r#"{"topic":"chats:8","event":"chat:terminated","payload":{},"ref":null}"#);
    assert!(stage.sent(STUDENT).contains(r#""topic":"presence:student:1","event":"phx_leave""#));
}

#[test]
fn what_was_not_said_is_an_error_of_its_kind() {
    for (payload, kind) in [
        (r#"{"message":"Message from teacher: 2"}"#, "out_of_order"),
        (r#"{"message":"Message from teacher: 1 "}"#, "out_of_order"),
        (r#"{"message":"Massage"}"#, "altered_message"),
        (r#"{"message":"Message from teacher: 1","extra":1}"#, "altered_message"),
        ("{}", "altered_message"),
        ("[", "altered_message"),
    ] {
        let mut stage = Play::in_chat(count(2));
        stage.chat(STUDENT, "student:receive", payload);
        assert_eq!(stage.errors(), [kind], "{payload}");
        assert_eq!(stage.conversation.stats.messages, 0);
    }
}

#[test]
fn a_message_twice_or_in_the_wrong_place_is_an_error() {
    let mut stage = Play::in_chat(count(2));
    for _ in 0..2 {
        stage.chat(STUDENT, "student:receive", r#"{"message":"Message from teacher: 1"}"#);
    }
    assert_eq!(stage.errors(), ["out_of_order"]);

    let mut stage = Play::in_chat(count(2));
    stage.chat(TEACHER, "student:receive", r#"{"message":"Message from teacher: 1"}"#);
    assert_eq!(stage.errors(), ["unexpected"]);

    let mut stage = Play::in_chat(count(2));
    stage.say(STUDENT, r#"{"topic":"chats:8","event":"student:receive","payload":{"message":"Message from teacher: 1"},"ref":null}"#);
    assert_eq!(stage.errors(), ["unknown_chat"]);
}

#[test]
fn an_early_end_serves_nobody() {
    let mut stage = Play::in_chat(count(2));
    stage.chat(STUDENT, "chat:terminated", "{}");
    stage.chat(TEACHER, "chat:terminated", "{}");
    assert_eq!(stage.errors(), ["cut_short"]);
    assert_eq!(stage.conversation.stats.served, 0);
}

#[test]
fn teachers_claim_while_there_is_room_and_somebody_waits() {
    let claims = |stage: &mut Play| {
        stage.sent(TEACHER);
        stage.conversation.claim_all();
        stage.sent(TEACHER).matches("claim:student").count()
    };
    let mut stage = Play::in_chat(Options { students_per_teacher: 2, ..count(1) });
    assert_eq!(claims(&mut stage), 1);
    let status = |waiting| {
        format!(
            r#"{{"topic":"presence:teachers","event":"user:status","payload":{{"teachers":{{"total":1}},"students":{{"total":1,"waiting":{waiting},"chatting":1,"finished":0}}}},"ref":null}}"#
        )
    };
    stage.say(TEACHER, &status(0));
    assert_eq!(claims(&mut stage), 0);
    stage.say(TEACHER, &status(1));
    assert_eq!(claims(&mut stage), 1);
    let mut full = Play::in_chat(Options { students_per_teacher: 1, ..count(1) });
    assert_eq!(claims(&mut full), 0);
}

#[test]
fn teachers_without_students_of_their_own_claim_until_the_time_is_up() {
    let now = Instant::now();
    let mut conversation = Conversation::new(&Options { teachers: 1, students: 0, ..count(1) }, now);
    conversation.opened(TEACHER, now);
    conversation.text(TEACHER, r#"{"topic":"presence:teachers","event":"phx_reply","payload":{"status":"ok","response":{}},"ref":"1"}"#, now);
    let claims = |conversation: &mut Conversation| {
        let before = conversation.outbox.pending(TEACHER).len();
        conversation.claim_all();
        conversation.outbox.pending(TEACHER).len() > before
    };
    assert!(claims(&mut conversation));
    conversation.close(now);
    assert!(!claims(&mut conversation) && conversation.is_over());
}

#[test]
fn a_pacer_counts_from_the_intended_time() {
    let mut stage = Play::in_chat(Options { rate: Some(200.0), ..count(3) });
    stage.conversation.send_due(stage.now);
    for count in 1..=2 {
        // The server takes 30 ms for each answer, and the schedule asks for one every 10 ms.
        stage.now += Duration::from_millis(30);
        stage.chat(STUDENT, "student:receive", &format!(r#"{{"message":"Message from teacher: {count}"}}"#));
        stage.chat(
            TEACHER,
            "teacher:receive",
            &format!(r#"{{"message":"Message #{count} from student: 1"}}"#),
        );
        stage.conversation.send_due(stage.now);
    }
    let millis = stage.conversation.stats.round_trip.max() as f64 / 1e6;
    assert!((49.9..50.1).contains(&millis), "{millis}");
}

#[test]
fn a_lost_student_counts_and_a_refusal_is_told() {
    let mut stage = Play::in_chat(count(1));
    stage.conversation.lost(STUDENT, "closed", "reset".into());
    stage.conversation.lost(STUDENT, "closed", "reset".into());
    assert!(stage.conversation.all_students_gone());
    stage.say(TEACHER, r#"{"topic":"chats:7","event":"phx_reply","payload":{"status":"error","response":{"reason":"unmatched topic"}},"ref":"8"}"#);
    assert_eq!(stage.errors(), ["closed", "refused"]);
    assert_eq!(stage.conversation.stats.errors["closed"].count, 1);
}

#[test]
fn after_the_time_is_up_a_chat_ends_with_its_next_answer() {
    let mut stage = Play::in_chat(Options {
        message_count: None,
        duration: Some(Duration::from_secs(1)),
        ..Options::default()
    });
    stage.conversation.close(stage.now);
    stage.sent(TEACHER);
    stage.chat(STUDENT, "student:receive", r#"{"message":"Message from teacher: 1"}"#);
    stage.chat(TEACHER, "teacher:receive", r#"{"message":"Message #1 from student: 1"}"#);
    assert!(stage.sent(TEACHER).contains("chat:terminate"));
}

/// A conversation over Socket.IO in which both have joined.
fn over_socket_io(mode: Mode) -> Play {
    let mut stage = Play::new(Options { mode, ..count(1) });
    for user in [TEACHER, STUDENT] {
        stage.conversation.opened(user, stage.now);
        assert_eq!(stage.sent(user), "", "the server speaks first");
        stage.say(user, "40");
    }
    stage
}

/// Both are told of chat 7, and what they said.
fn enter_over_socket_io(stage: &mut Play) {
    for (user, role) in [(TEACHER, "teacher"), (STUDENT, "student")] {
        stage.say(user, &format!(r#"42["presence:new_chat:{role}:1",{{"id":"7","sendChannel":"chat:{role}:send","receiveChannel":"chat:7:{role}:receive","terminatedChannel":"chat:7:{role}:terminated","joinedChannel":"chat:{role}:joined"}}]"#));
    }
    stage.say(TEACHER, r#"42["chat:7:ready",{}]"#);
}

#[test]
fn a_whole_chat_over_socket_io_serves_the_student() {
    let mut stage = over_socket_io(Mode::SocketIo);
    assert_eq!(stage.sent(TEACHER), r#"42["presence:teacher:connect",{"userId":1,"role":"teacher"}]"#);
    assert_eq!(stage.sent(STUDENT), r#"42["presence:student:connect",{"userId":1,"role":"student"}]"#);
    enter_over_socket_io(&mut stage);
    assert!(
        stage
            .sent(TEACHER)
            .ends_with(r#"["chat:teacher:send",{"chatId":"7","message":"Message from teacher: 1"}]"#)
    );
    stage.say(STUDENT, r#"42["chat:7:student:receive",{"chatId":"7","message":"Message from teacher: 1"}]"#);
    assert!(stage.sent(STUDENT).ends_with(r#"{"chatId":"7","message":"Message #1 from student 1"}]"#));
    stage
        .say(TEACHER, r#"42["chat:7:teacher:receive",{"chatId":"7","message":"Message #1 from student 1"}]"#);
    assert!(stage.sent(TEACHER).contains("chat:teacher:terminate"));
    stage.say(TEACHER, r#"42["chat:7:teacher:terminated",{}]"#);
    stage.say(STUDENT, r#"42["chat:7:student:terminated",{}]"#);
    assert_eq!(stage.sent(STUDENT), r#"42["presence:student:disconnect",{"userId":1,"role":"student"}]"#);
    assert!(stage.conversation.is_over());
    assert_eq!((stage.conversation.stats.served, stage.errors().len()), (1, 0));
}

#[test]
fn others_business_is_a_fault_unless_the_server_is_known_for_it() {
    for (mode, expected) in [(Mode::SocketIo, &["foreign", "unknown_chat"][..]), (Mode::Node, &[])] {
        let mut stage = over_socket_io(mode);
        enter_over_socket_io(&mut stage);
        stage.say(STUDENT, r#"42["chat:7:teacher:receive",{"chatId":"7","message":"x"}]"#);
        stage.say(STUDENT, r#"42["chat:8:student:receive",{"chatId":"8","message":"x"}]"#);
        stage.say(STUDENT, r#"42["presence:new_chat:student:2",{}]"#);
        assert_eq!(stage.errors(), expected);
        stage.say(STUDENT, r#"42["chat:7:student:receive",{"chatId":"7","message":"x"}]"#);
        assert!(stage.errors().contains(&"altered_message"), "one's own chat is looked at as ever");
    }
}

#[test]
fn a_server_that_asks_is_answered() {
    let mut stage = Play::new(Options { mode: Mode::SocketIo4, ..count(1) });
    stage.conversation.opened(TEACHER, stage.now);
    stage.say(TEACHER, r#"0{"sid":"x","pingInterval":25000}"#);
    assert_eq!(stage.sent(TEACHER), "40");
    stage.say(TEACHER, "2");
    assert_eq!(stage.sent(TEACHER), "3");
}

#[test]
fn each_pong_is_followed_by_a_ping_until_the_last() {
    let mut stage = over_socket_io(Mode::Ping);
    assert_eq!(stage.sent(TEACHER), "", "no place on the roster is needed");
    stage.conversation.begin_pings(stage.now);
    assert_eq!(stage.sent(TEACHER), r#"42["ping",null]"#);
    assert!(!stage.conversation.is_over());
    stage.say(TEACHER, r#"42["pong"]"#);
    assert!(stage.conversation.is_over());
    assert_eq!((stage.conversation.stats.messages, stage.conversation.stats.round_trip.len()), (1, 1));
    stage.say(TEACHER, r#"42["pong"]"#);
    assert_eq!(stage.errors(), ["unexpected"]);
}
