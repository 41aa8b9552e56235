-- Flow records in ClickHouse, for more of them than one machine searches well. Not run where Postern is developed: its columns are
-- held to those of the archive by a test, its syntax to the documentation of ClickHouse 24.8 and later by eye.
CREATE DATABASE IF NOT EXISTS postern;

-- A record that is loaded twice is there once, when its parts were merged; at once with SELECT … FINAL.
CREATE TABLE IF NOT EXISTS postern.flows
(
    time DateTime64(3, 'UTC'),
    loggedTime Nullable(DateTime64(3, 'UTC')),
    uid String,
    class Nullable(Int64),
    activity LowCardinality(Nullable(String)),
    severity Nullable(Int64),
    verdict LowCardinality(Nullable(String)),
    user LowCardinality(Nullable(String)),
    device LowCardinality(Nullable(String)),
    app LowCardinality(Nullable(String)),
    network LowCardinality(Nullable(String)),
    host LowCardinality(Nullable(String)),
    upstream Nullable(String),
    method LowCardinality(Nullable(String)),
    path Nullable(String),
    httpStatus Nullable(Int64),
    decision LowCardinality(Nullable(String)),
    reasons Array(LowCardinality(String)),
    policies Array(LowCardinality(String)),
    policyVersion LowCardinality(Nullable(String)),
    refusal LowCardinality(Nullable(String)),
    endedBy LowCardinality(Nullable(String)),
    bytesIn Nullable(Int64),
    bytesOut Nullable(Int64),
    durationMs Nullable(Int64),
    flow Nullable(String),
    parent Nullable(String),
    connection Nullable(String),
    source Nullable(String),
    postureAgeSeconds Nullable(Int64),
    what LowCardinality(Nullable(String)),
    gateway LowCardinality(Nullable(String)),
    boot LowCardinality(Nullable(String)),
    worker Nullable(Int64),
    workerStartedAt Nullable(DateTime64(3, 'UTC')),
    sequence Nullable(Int64),
    record String CODEC(ZSTD(3)),
    -- As docs/record-proof.md has it; change the days below where your settings say other ones.
    keep LowCardinality(String) MATERIALIZED multiIf(
        class = 6003 OR (class = 3004 AND activity != 'Heartbeat'), 'administration',
        class IN (3002, 2004) OR verdict = 'denied', 'security',
        'flows'),
    INDEX by_user user TYPE bloom_filter GRANULARITY 4,
    INDEX by_device device TYPE bloom_filter GRANULARITY 4,
    INDEX by_app app TYPE bloom_filter GRANULARITY 4,
    INDEX by_flow flow TYPE bloom_filter GRANULARITY 4,
    INDEX by_parent parent TYPE bloom_filter GRANULARITY 4
)
ENGINE = ReplacingMergeTree
PARTITION BY toYYYYMM(time)
ORDER BY (time, uid)
TTL toDateTime(time) + INTERVAL 90 DAY DELETE WHERE keep = 'flows',
    toDateTime(time) + INTERVAL 365 DAY DELETE WHERE keep = 'security',
    toDateTime(time) + INTERVAL 730 DAY DELETE WHERE keep = 'administration';
