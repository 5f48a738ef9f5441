-- Times are milliseconds since the epoch, UTC, unless a comment says otherwise. Ids are UUIDs in sixteen bytes.
-- The same tables and columns stand in both databases; a test compares them.

-- Tenants. `settings` is JSON, so that new settings need no migration.
CREATE TABLE apps (
    id bytea NOT NULL,
    tag bytea NOT NULL,
    name text NOT NULL,
    settings text NOT NULL,
    created_at bigint NOT NULL,
    PRIMARY KEY (id),
    UNIQUE (tag),
    UNIQUE (name)
);

-- Credentials of callers; the secret as a keyed hash only.
CREATE TABLE clients (
    client_id text NOT NULL,
    app_id bytea NOT NULL,
    secret_hash bytea NOT NULL,
    scopes text NOT NULL,
    label text,
    created_at bigint NOT NULL,
    expires_at bigint,
    revoked_at bigint,
    PRIMARY KEY (client_id)
);
CREATE INDEX clients_by_app ON clients (app_id, created_at);

-- Private parts are sealed with the server secret.
CREATE TABLE signing_keys (
    id bytea NOT NULL,
    app_id bytea NOT NULL,
    algorithm bigint NOT NULL,
    sealed_private bytea NOT NULL,
    created_at bigint NOT NULL,
    signs_from bigint NOT NULL,
    PRIMARY KEY (id)
);

-- People.
CREATE TABLE users (
    id bytea NOT NULL,
    app_id bytea NOT NULL,
    created_at bigint NOT NULL,
    disabled_at bigint,
    PRIMARY KEY (id)
);

-- The addresses by which users are known, in canonical form.
CREATE TABLE identifiers (
    app_id bytea NOT NULL,
    kind bigint NOT NULL,
    value text NOT NULL,
    user_id bytea NOT NULL,
    is_primary bigint NOT NULL,
    written_by bigint NOT NULL,
    created_at bigint NOT NULL,
    verified_at bigint,
    PRIMARY KEY (app_id, kind, value)
);
CREATE INDEX identifiers_by_user ON identifiers (user_id);

-- Keyed by coarse time and keyed hash of the token; codes as keyed hashes; replay sealed and emptied after a minute.
CREATE TABLE links (
    hash bytea NOT NULL,
    id bytea NOT NULL,
    app_id bytea NOT NULL,
    purpose bigint NOT NULL,
    address text,
    user_id bytea,
    redirect text,
    handover bigint NOT NULL,
    requester bytea,
    requester_bound bigint NOT NULL,
    code_hash bytea,
    code_attempts bigint NOT NULL,
    number_attempts bigint NOT NULL,
    issued_at bigint NOT NULL,
    expires_at bigint NOT NULL,
    approved_at bigint,
    redeemed_at bigint,
    redeemer bytea,
    revoked_at bigint,
    revoked_why bigint,
    session_id bytea,
    replay bytea,
    session_lifetime bigint,
    options text NOT NULL,
    PRIMARY KEY (hash),
    UNIQUE (id)
);
CREATE INDEX links_by_address ON links (app_id, address, id) WHERE address IS NOT NULL;
CREATE INDEX links_by_user ON links (user_id) WHERE user_id IS NOT NULL;
CREATE INDEX links_by_expiry ON links (expires_at);
CREATE INDEX links_by_replay ON links (redeemed_at) WHERE replay IS NOT NULL;

-- One row a session; its end ends all its tokens.
CREATE TABLE sessions (
    id bytea NOT NULL,
    app_id bytea NOT NULL,
    user_id bytea NOT NULL,
    method bigint NOT NULL,
    link_id bytea,
    created_at bigint NOT NULL,
    refreshed_at bigint NOT NULL,
    expires_at bigint NOT NULL,
    revoked_at bigint,
    device text,
    PRIMARY KEY (id)
);
CREATE INDEX sessions_by_user ON sessions (user_id, created_at);
CREATE INDEX sessions_by_expiry ON sessions (expires_at);

-- Opaque session tokens and refresh tokens by keyed hash.
CREATE TABLE session_tokens (
    hash bytea NOT NULL,
    session_id bytea NOT NULL,
    kind bigint NOT NULL,
    created_at bigint NOT NULL,
    rotated_at bigint,
    next_sealed bytea,
    PRIMARY KEY (hash)
);
CREATE INDEX session_tokens_by_session ON session_tokens (session_id);

-- Messages; the payload is sealed, and emptied when it is no longer needed. `next_at` is also the end of a lease.
CREATE TABLE outbox (
    id bytea NOT NULL,
    app_id bytea NOT NULL,
    link_id bytea NOT NULL,
    state bigint NOT NULL,
    attempts bigint NOT NULL,
    next_at bigint NOT NULL,
    created_at bigint NOT NULL,
    expires_at bigint NOT NULL,
    payload bytea,
    provider_id text,
    last_error text,
    PRIMARY KEY (id)
);
CREATE INDEX outbox_due ON outbox (next_at) WHERE state = 1;
CREATE INDEX outbox_by_link ON outbox (link_id);
CREATE INDEX outbox_by_expiry ON outbox (expires_at);

-- The built-in inbox of the developer; sealed.
CREATE TABLE inbox (
    id bytea NOT NULL,
    app_id bytea NOT NULL,
    received_at bigint NOT NULL,
    sealed bytea NOT NULL,
    PRIMARY KEY (id)
);

-- GCRA: the instant (microseconds) at which each bucket is empty again.
CREATE TABLE limits (
    key bytea NOT NULL,
    tat bigint NOT NULL,
    PRIMARY KEY (key)
);
CREATE INDEX limits_by_tat ON limits (tat);

-- What happened, for operators and support; no secret, no full address.
CREATE TABLE events (
    id bytea NOT NULL,
    at bigint NOT NULL,
    app_id bytea,
    kind text NOT NULL,
    request_id text NOT NULL,
    actor text NOT NULL,
    link_id bytea,
    user_id bytea,
    session_id bytea,
    message_id bytea,
    detail text NOT NULL,
    PRIMARY KEY (id)
);
CREATE INDEX events_by_link ON events (link_id) WHERE link_id IS NOT NULL;
