-- Times are milliseconds since the epoch, UTC, unless a comment says otherwise. Ids are UUIDs in sixteen bytes.
-- The same tables and columns stand in both databases; a test compares them.

-- Tenants. `settings` is JSON, so that new settings need no migration.
CREATE TABLE apps (
    id BLOB NOT NULL,
    tag BLOB NOT NULL,
    name TEXT NOT NULL,
    settings TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    PRIMARY KEY (id),
    UNIQUE (tag),
    UNIQUE (name)
) STRICT, WITHOUT ROWID;

-- Credentials of callers; the secret as a keyed hash only.
CREATE TABLE clients (
    client_id TEXT NOT NULL,
    app_id BLOB NOT NULL,
    secret_hash BLOB NOT NULL,
    scopes TEXT NOT NULL,
    label TEXT,
    created_at INTEGER NOT NULL,
    expires_at INTEGER,
    revoked_at INTEGER,
    PRIMARY KEY (client_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX clients_by_app ON clients (app_id, created_at);

-- Private parts are sealed with the server secret.
CREATE TABLE signing_keys (
    id BLOB NOT NULL,
    app_id BLOB NOT NULL,
    algorithm INTEGER NOT NULL,
    sealed_private BLOB NOT NULL,
    created_at INTEGER NOT NULL,
    signs_from INTEGER NOT NULL,
    PRIMARY KEY (id)
) STRICT, WITHOUT ROWID;

-- People.
CREATE TABLE users (
    id BLOB NOT NULL,
    app_id BLOB NOT NULL,
    created_at INTEGER NOT NULL,
    disabled_at INTEGER,
    PRIMARY KEY (id)
) STRICT, WITHOUT ROWID;

-- The addresses by which users are known, in canonical form.
CREATE TABLE identifiers (
    app_id BLOB NOT NULL,
    kind INTEGER NOT NULL,
    value TEXT NOT NULL,
    user_id BLOB NOT NULL,
    is_primary INTEGER NOT NULL,
    written_by INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    verified_at INTEGER,
    PRIMARY KEY (app_id, kind, value)
) STRICT, WITHOUT ROWID;
CREATE INDEX identifiers_by_user ON identifiers (user_id);

-- Keyed by coarse time and keyed hash of the token; codes as keyed hashes; replay sealed and emptied after a minute.
CREATE TABLE links (
    hash BLOB NOT NULL,
    id BLOB NOT NULL,
    app_id BLOB NOT NULL,
    purpose INTEGER NOT NULL,
    address TEXT,
    user_id BLOB,
    redirect TEXT,
    handover INTEGER NOT NULL,
    requester BLOB,
    requester_bound INTEGER NOT NULL,
    code_hash BLOB,
    code_attempts INTEGER NOT NULL,
    number_attempts INTEGER NOT NULL,
    issued_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    approved_at INTEGER,
    redeemed_at INTEGER,
    redeemer BLOB,
    revoked_at INTEGER,
    revoked_why INTEGER,
    session_id BLOB,
    replay BLOB,
    session_lifetime INTEGER,
    options TEXT NOT NULL,
    PRIMARY KEY (hash),
    UNIQUE (id)
) STRICT, WITHOUT ROWID;
CREATE INDEX links_by_address ON links (app_id, address, id) WHERE address IS NOT NULL;
CREATE INDEX links_by_user ON links (user_id) WHERE user_id IS NOT NULL;
CREATE INDEX links_by_expiry ON links (expires_at);
CREATE INDEX links_by_replay ON links (redeemed_at) WHERE replay IS NOT NULL;

-- One row a session; its end ends all its tokens.
CREATE TABLE sessions (
    id BLOB NOT NULL,
    app_id BLOB NOT NULL,
    user_id BLOB NOT NULL,
    method INTEGER NOT NULL,
    link_id BLOB,
    created_at INTEGER NOT NULL,
    refreshed_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    revoked_at INTEGER,
    device TEXT,
    PRIMARY KEY (id)
) STRICT, WITHOUT ROWID;
CREATE INDEX sessions_by_user ON sessions (user_id, created_at);
CREATE INDEX sessions_by_expiry ON sessions (expires_at);

-- Opaque session tokens and refresh tokens by keyed hash.
CREATE TABLE session_tokens (
    hash BLOB NOT NULL,
    session_id BLOB NOT NULL,
    kind INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    rotated_at INTEGER,
    next_sealed BLOB,
    PRIMARY KEY (hash)
) STRICT, WITHOUT ROWID;
CREATE INDEX session_tokens_by_session ON session_tokens (session_id);

-- Messages; the payload is sealed, and emptied when it is no longer needed. `next_at` is also the end of a lease.
CREATE TABLE outbox (
    id BLOB NOT NULL,
    app_id BLOB NOT NULL,
    link_id BLOB NOT NULL,
    state INTEGER NOT NULL,
    attempts INTEGER NOT NULL,
    next_at INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    payload BLOB,
    provider_id TEXT,
    last_error TEXT,
    PRIMARY KEY (id)
) STRICT, WITHOUT ROWID;
CREATE INDEX outbox_due ON outbox (next_at) WHERE state = 1;
CREATE INDEX outbox_by_link ON outbox (link_id);
CREATE INDEX outbox_by_expiry ON outbox (expires_at);

-- The built-in inbox of the developer; sealed.
CREATE TABLE inbox (
    id BLOB NOT NULL,
    app_id BLOB NOT NULL,
    received_at INTEGER NOT NULL,
    sealed BLOB NOT NULL,
    PRIMARY KEY (id)
) STRICT, WITHOUT ROWID;

-- GCRA: the instant (microseconds) at which each bucket is empty again.
CREATE TABLE limits (
    key BLOB NOT NULL,
    tat INTEGER NOT NULL,
    PRIMARY KEY (key)
) STRICT, WITHOUT ROWID;
CREATE INDEX limits_by_tat ON limits (tat);

-- What happened, for operators and support; no secret, no full address.
CREATE TABLE events (
    id BLOB NOT NULL,
    at INTEGER NOT NULL,
    app_id BLOB,
    kind TEXT NOT NULL,
    request_id TEXT NOT NULL,
    actor TEXT NOT NULL,
    link_id BLOB,
    user_id BLOB,
    session_id BLOB,
    message_id BLOB,
    detail TEXT NOT NULL,
    PRIMARY KEY (id)
) STRICT, WITHOUT ROWID;
CREATE INDEX events_by_link ON events (link_id) WHERE link_id IS NOT NULL;
