"""Real lines of each family of text, and the events that they are, written out by hand.

The lines are those of the specifications, manuals and public bug reports named beside them, some shortened.
"""

import math
from datetime import UTC, datetime

NONE = math.nan
NOON = "2024-05-01T12:34:56"


def at(text: str) -> float:
    """Unix seconds of ISO 8601 in UTC."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


# A line; then time, severity, source, entity, message and numbers of its event.
CASES: dict[str, list[tuple[str, float, int, str, str, str, dict[str, float] | None]]] = {
    "RFC 5424": [  # its section 6.5
        (
            "<34>1 2003-10-11T22:14:15.003Z mymachine.example.com su - ID47 - \ufeff'su root' failed for "
            "lonvick on /dev/pts/8",
            at("2003-10-11T22:14:15.003"), 18, "su", "", "'su root' failed for lonvick on /dev/pts/8", None,
        ),
        (
            "<165>1 2003-08-24T05:14:15.000003-07:00 192.0.2.1 myproc 8710 - - "
            "%% It's time to make the do-nuts.",
            at("2003-08-24T12:14:15.000003"), 10, "myproc", "", "%% It's time to make the do-nuts.", None,
        ),
        (
            '<165>1 2003-10-11T22:14:15.003Z mymachine.example.com evntslog - ID47 '
            '[exampleSDID@32473 iut="3" eventSource="Application" eventID="1011"] \ufeffAn '
            "application event log entry...",
            at("2003-10-11T22:14:15.003"), 10, "evntslog", "", "An application event log entry...", None,
        ),
        (
            '<165>1 2003-10-11T22:14:15.003Z mymachine.example.com evntslog - ID47 '
            '[exampleSDID@32473 iut="3"][examplePriority@32473 class="high"]',
            at("2003-10-11T22:14:15.003"), 10, "evntslog", "",
            '[exampleSDID@32473 iut="3"][examplePriority@32473 class="high"]', None,
        ),
        (
            '<11>1 - host - - - [a@1 b="\\"]\\\\" trace_id="4bf92f"][c@1 d="e"] no time and no program',
            NONE, 17, "host", "4bf92f", "no time and no program", None,
        ),
        ("<8>1 - - - - - - nobody", NONE, 21, "unknown", "", "nobody", None),
    ],
    "RFC 3164": [  # its section 5.4
        (
            "<34>Oct 11 22:14:15 mymachine su: 'su root' failed for lonvick on /dev/pts/8",
            at("2023-10-11T22:14:15"), 18, "su", "", "'su root' failed for lonvick on /dev/pts/8", None,
        ),
        ("<13>Feb  5 17:32:18 10.0.0.99 Use the BFG!", at("2024-02-05T17:32:18"), 10, "10.0.0.99", "",
         "Use the BFG!", None),
        ("<191>no header at all", NONE, 5, "unknown", "", "no header at all", None),
        ("<30>Jun  9 06:07:04 sshd[7]: Server listening on :: port 22.", at("2024-06-09T06:07:04"), 9, "sshd",
         "", "Server listening on :: port 22.", None),
        (
            "Jun 09 06:07:04.250 node-1 crond(pam_unix)[2915]: session closed for user root",
            at("2024-06-09T06:07:04.25"), 0, "crond", "", "session closed for user root", None,
        ),
        ("Jun 09 2005 06:07:04: fw %ASA-6-302013: Built", at("2005-06-09T06:07:04"), 0, "%ASA-6-302013", "",
         "Built", None),
        ("Jun  9 06:07:04 h kernel: [12345.678901] usb 1-1: new device", at("2024-06-09T06:07:04"), 0,
         "kernel", "", "usb 1-1: new device", None),
        (
            "2024-05-01T12:34:56.789012+02:00 host sshd[123]: Accepted publickey for root",
            at("2024-05-01T10:34:56.789012"), 0, "sshd", "", "Accepted publickey for root", None,
        ),
        ("<86>2024-05-01T12:34:56Z host sudo: root", at(NOON), 9, "sudo", "", "root", None),
        # written by rsyslog 8.2302 and syslog-ng 3.38: tests/integration/test_syslog_writers.py
        ("2024-05-01T14:34:56.789012+02:00 web-1 shop[812] order placed", at("2024-05-01T12:34:56.789012"), 0,
         "shop", "", "order placed", None),
        ("May  1 12:34:56 web-1 shop[812] order placed", at(NOON), 0, "shop", "", "order placed", None),
        ("<11>2024-05-01T12:34:56Z web-1 shop[812] order placed", at(NOON), 17, "shop", "", "order placed",
         None),
        ("2024-05-01T12:34:56+02:00 web-1 kern: order placed", at("2024-05-01T10:34:56"), 0, "kern", "",
         "order placed", None),
        ("May  1 12:34:56 web-1 array[0].x is empty", at(NOON), 0, "web-1", "", "array[0].x is empty", None),
        ("2024-05-01T12:34:56Z and then: order placed", at(NOON), 0, "unknown", "", "and then: order placed",
         None),
        ("2024-05-01T12:34:56.0000Z and then: order placed", at(NOON), 0, "unknown", "",
         "and then: order placed", None),
    ],
    "kernel": [
        ("[    0.000000] Linux version 6.1.0", NONE, 0, "kernel", "", "Linux version 6.1.0", None),
        ("<6>[   12.345678] usb 1-1: new device", NONE, 9, "kernel", "", "usb 1-1: new device", None),
    ],
    "klog": [  # kubernetes/kubernetes issue 43753; litmuschaos/litmus pull request 30; glog's README
        (
            "I0328 15:23:08.640872   15002 panics.go:76] GET /api/v1/namespaces: (1.923651ms) 200",
            at("2024-03-28T15:23:08.640872"), 9, "panics.go", "", "GET /api/v1/namespaces: (1.923651ms) 200",
            None,
        ),
        ("E0321 07:09:19.376093     801 kuberuntime_logs.go:201] Failed with err",
         at("2024-03-21T07:09:19.376093"), 17, "kuberuntime_logs.go", "", "Failed with err", None),
        ("F20220531 12:34:56.123456 81 a.cc:7] \"gone\" pod=\"kube-system/x\"",
         at("2022-05-31T12:34:56.123456"), 21, "a.cc", "", '"gone" pod="kube-system/x"', None),
        ("W1231 23:59:59.000000 1 x.go:1] late", at("2023-12-31T23:59:59"), 13, "x.go", "", "late", None),
    ],
    "access log": [  # Apache httpd 2.4, "Log Files"; ingress-nginx, "Log format"
        ('127.0.0.1 - frank [10/Oct/2000:13:55:36 -0700] "GET /apache_pb.gif HTTP/1.0" 200 2326',
         at("2000-10-10T20:55:36"), 9, "unknown", "", "GET /apache_pb.gif 200 OK", {"bytes": 2326.0}),
        (
            'www.example.com:443 ::1 - - [10/Oct/2000:13:55:36 +0000] "POST /a?b=\\"c HTTP/1.1" 503 - '
            '"http://www.example.com/start.html" "Mozilla/4.08 [en] (Win98; I ;Nav)" 0.125',
            at("2000-10-10T13:55:36"), 17, "www.example.com", "", "POST /a 503 Service Unavailable",
            {"duration": 0.125},
        ),
        ('192.168.2.20 - - [28/Jul/2006:10:27:10 -0300] "-" 408 0', at("2006-07-28T13:27:10"), 13, "unknown",
         "", "- 408 Request Timeout", {"bytes": 0.0}),
        (
            '10.42.0.1 - - [07/Mar/2022:10:11:12 +0000] "GET /api/items?id=7 HTTP/1.1" 499 150 "-" '
            '"curl/7.68.0" 85 0.004 [default-shop-80] [] 10.42.1.7:8080 0 0.004 499 '
            "0b1c5f9ab8f5e7a3c1d2e3f405162738",
            at("2022-03-07T10:11:12"), 13, "default-shop-80", "0b1c5f9ab8f5e7a3c1d2e3f405162738",
            "GET /api/items 499 Client Closed Request", {"bytes": 150.0, "duration": 0.004},
        ),
    ],
    "error log": [  # Apache httpd, "Log Files" of 2.2 and 2.4; a public nginx log
        (
            "[Wed Oct 11 14:32:52 2000] [error] [client 127.0.0.1] client denied by server configuration: /x",
            at("2000-10-11T14:32:52"), 17, "httpd", "", "client denied by server configuration: /x", None,
        ),
        (
            "[Fri Sep 09 10:42:29.902022 2011] [core:error] [pid 35708:tid 4328636416] [client 72.15.99.187] "
            "File does not exist: /usr/local/apache2/htdocs/favicon.ico",
            at("2011-09-09T10:42:29.902022"), 17, "core", "",
            "File does not exist: /usr/local/apache2/htdocs/favicon.ico", None,
        ),
        ("[Sun Sep  9 10:42:29.902022 2011] [ssl:trace5] [pid 1] x", at("2011-09-09T10:42:29.902022"), 1,
         "ssl", "", "x", None),
        (
            "2013/02/05 00:35:57 [error] 6728#0: *1 connect() failed (111: Connection refused) while "
            'connecting to upstream, client: 81.107.86.251, server: shop.example, request: "GET / HTTP/1.1", '
            'upstream: "fastcgi://127.0.0.1:9000", host: "95.142.166.209:8084"',
            at("2013-02-05T00:35:57"), 17, "shop.example", "",
            "connect() failed (111: Connection refused) while connecting to upstream", None,
        ),
        ("2013/02/05 00:35:53 [notice] 6723#0: using the \"epoll\" event method", at("2013-02-05T00:35:53"),
         10, "nginx", "", 'using the "epoll" event method', None),
    ],
    "logfmt": [  # Prometheus, containerd and Heroku's router, as their manuals and bug reports show them
        ('level=info ts=2018-10-23T14:55:14.499484Z caller=main.go:554 msg="Starting TSDB ..."',
         at("2018-10-23T14:55:14.499484"), 9, "main.go", "", "Starting TSDB ...", None),
        (
            'time="2021-05-27T10:21:31Z" level=error msg="Exec \\"46b\\" failed" error="exit status 1" '
            "took=1m2.5s n=-3 traceID=ab",
            at("2021-05-27T10:21:31"), 17, "unknown", "ab", 'Exec "46b" failed: exit status 1',
            {"took": 62.5, "n": -3.0},
        ),
        (
            'at=info method=GET path="/" host=myapp.herokuapp.com request_id=8601b555 dyno=web.1 connect=1ms '
            "service=18ms status=200",
            NONE, 9, "myapp.herokuapp.com", "8601b555",
            "method=GET path=/ dyno=web.1 connect=1ms service=18ms status=200",
            {"connect": 0.001, "service": 0.018, "status": 200.0},
        ),
    ],
    "container": [  # the kubelet's CRI log design; elastic/beats
        ("2016-10-06T00:17:09.669794202Z stderr F The content of the log entry 2",
         at("2016-10-06T00:17:09.669794202"), 0, "unknown", "", "The content of the log entry 2", None),
        ("2016-10-06T00:17:09Z stderr F E0321 07:09:19.376093     801 a.go:201] Failed",
         at("2016-10-06T00:17:09"), 17, "a.go", "", "Failed", None),
        (
            '2016-10-06T00:17:09Z stdout F {"level":"warn","msg":"slow","service":"pay","trace_id":"t1",'
            '"n":3}',
            at("2016-10-06T00:17:09"), 13, "pay", "t1", "slow", {"n": 3.0},
        ),
        ("2016-10-06T00:17:09Z stdout F {broken", at("2016-10-06T00:17:09"), 0, "unknown", "",
         "{broken", None),
        ("2016-10-06T00:17:09Z stdout F 2017-10-12 13:32:21.212 [INFO][88] table.go 710: Invalidating",
         at("2016-10-06T00:17:09"), 9, "table.go", "", "710: Invalidating", None),
        ("2016-10-06T00:17:09Z stdout F ", at("2016-10-06T00:17:09"), 0, "unknown", "",
         "2016-10-06T00:17:09Z stdout F ", None),
    ],
    "inside syslog": [  # kubernetes/kubernetes issue 43753, kubernetes/kops issue 11643
        (
            "Mar 28 13:23:08 dev-master-003 kube-apiserver: E0328 15:23:08.640872   15002 panics.go:76] "
            "GET /api",
            at("2024-03-28T13:23:08"), 17, "kube-apiserver", "", "GET /api", None,
        ),
        (
            '<30>May 27 10:21:31 node containerd[2647]: time="2021-05-27T10:21:31.9Z" level=warning '
            'msg="slow" took=2s',
            at("2024-05-27T10:21:31"), 13, "containerd", "", "slow", {"took": 2.0},
        ),
        ('<134>Jun  9 06:07:04 h app[1]: @cee: {"msg":"x","level":"error"}', at("2024-06-09T06:07:04"), 17,
         "app", "", "x", None),
        ("<30>Jun  9 06:07:04 h app[1]: ERROR no route", at("2024-06-09T06:07:04"), 17, "app", "", "no route",
         None),
        ("<30>Jun  9 06:07:04 h app[1]: no ERROR seen", at("2024-06-09T06:07:04"), 9, "app", "",
         "no ERROR seen", None),
    ],
    "time and level in front": [  # log4j, Spring Boot, Kafka, Elasticsearch, Python, PostgreSQL, Lambda
        ("24/05/01 12:34:56 INFO executor.Backend: Registered", at(NOON), 9, "executor.Backend", "",
         "Registered", None),
        (f"{NOON},978 INFO [main] org.apache.MRAppMaster: Created".replace("T", " "), at(NOON) + 0.978, 9,
         "org.apache.MRAppMaster", "", "Created", None),
        (f"{NOON}.500Z  INFO 12345 --- [           main] o.s.b.Tomcat  : Tomcat initialized", at(NOON) + 0.5,
         9, "o.s.b.Tomcat", "", "Tomcat initialized", None),
        ("[2024-05-01 12:34:56,500] INFO [KafkaServer id=0] started (kafka.server.KafkaServer)",
         at(NOON) + 0.5, 9, "kafka.server.KafkaServer", "", "[KafkaServer id=0] started", None),
        (f"[{NOON},500][WARN ][o.e.n.Node               ] [node-1] started", at(NOON) + 0.5, 13,
         "o.e.n.Node", "", "[node-1] started", None),
        ("2024-05-01 12:34:56,500 - shop - WARNING - disk is almost full", at(NOON) + 0.5, 13, "shop", "",
         "disk is almost full", None),
        ("WARNING:root:This is a warning message", NONE, 13, "root", "", "This is a warning message", None),
        ("INFO 2024-05-01 12:34:56 com.acme.Shop sold", at(NOON), 9, "com.acme.Shop", "", "sold", None),
        ("[2024-05-01 14:34:56 +0200] [7] [INFO] Starting gunicorn", at(NOON), 9, "unknown", "",
         "Starting gunicorn", None),
        ("2024-05-01 12:34:56.500 UTC [12] LOG:  checkpoint starting: time", at(NOON) + 0.5, 9, "unknown", "",
         "checkpoint starting: time", None),
        ("01-May-2024 12:34:56.500 INFO [main] org.apache.Listener.log Server version", at(NOON) + 0.5, 9,
         "org.apache.Listener.log", "", "Server version", None),
        (f"{NOON}Z\tinfo\tserver/server.go:12\tstarted", at(NOON), 9, "server/server.go:12", "",
         "started", None),
        ("2024/05/01 12:34:56 error: no route", at(NOON), 17, "unknown", "", "no route", None),
        (f"{NOON}Z error opening the file", at(NOON), 0, "unknown", "", "error opening the file", None),
        (f"{NOON}Z\t8f507cfc-0000-4697-b07a-ac58fc914c95\tINFO\thello", at(NOON), 9, "unknown",
         "8f507cfc-0000-4697-b07a-ac58fc914c95", "hello", None),
        (f"[ERROR]\t{NOON}Z\t8f507cfc-0000-4697-b07a-ac58fc914c95\tboom", at(NOON), 17, "unknown",
         "8f507cfc-0000-4697-b07a-ac58fc914c95", "boom", None),
    ],
    "of no family": [  # each looks like one
        (f"{NOON}Z Connection error: refused", at(NOON), 0, "unknown", "", "Connection error: refused", None),
        ("<999>1 not a priority", NONE, 0, "unknown", "", "<999>1 not a priority", None),
        ("<b>bold</b>", NONE, 0, "unknown", "", "<b>bold</b>", None),
        ("June was warm", NONE, 0, "unknown", "", "June was warm", None),
        ("Feb 31 06:07:04 host x: y", NONE, 0, "unknown", "", "Feb 31 06:07:04 host x: y", None),
        ("E0399 07:09:19.376093 801 a.go:201] x", NONE, 17, "a.go", "", "x", None),
        ("a=b c=d", NONE, 0, "unknown", "", "a=b c=d", None),
        ('1.2.3.4 - - [10/Oct/2000:13:55:36 -0700] no request', NONE, 0, "unknown", "",
         "1.2.3.4 - - [10/Oct/2000:13:55:36 -0700] no request", None),
    ],
}  # fmt: skip
