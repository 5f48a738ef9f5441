-- What apps keep by their schema: values that are unique, ids kept for people who may come to be, invitations; and links that only redirect.

-- A value of a unique field of the schema, in the form in which it is compared.
CREATE TABLE unique_values (
    app_id BLOB NOT NULL,
    field TEXT NOT NULL,
    value TEXT NOT NULL,
    user_id BLOB NOT NULL,
    PRIMARY KEY (app_id, field, value)
) STRICT, WITHOUT ROWID;
CREATE INDEX unique_values_by_user ON unique_values (user_id);

-- The id that somebody with this address gets; `form` is the form of id that was asked for.
CREATE TABLE reserved_users (
    app_id BLOB NOT NULL,
    kind INTEGER NOT NULL,
    value TEXT NOT NULL,
    form TEXT NOT NULL,
    user_id BLOB NOT NULL,
    external_id TEXT,
    expires_at INTEGER NOT NULL,
    PRIMARY KEY (app_id, kind, value, form)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX reserved_users_by_user ON reserved_users (user_id);
CREATE INDEX reserved_users_by_expiry ON reserved_users (expires_at);

-- `address` is JSON as it was given; the link signs the invited person in and accepts for them.
CREATE TABLE invites (
    id BLOB NOT NULL,
    app_id BLOB NOT NULL,
    group_id BLOB NOT NULL,
    user_id BLOB NOT NULL,
    member_id BLOB NOT NULL,
    link_id BLOB NOT NULL,
    roles TEXT NOT NULL,
    state INTEGER NOT NULL,
    address TEXT NOT NULL,
    redirect TEXT,
    created_at INTEGER NOT NULL,
    created_by TEXT NOT NULL,
    accepted_at INTEGER,
    PRIMARY KEY (id)
) STRICT, WITHOUT ROWID;
CREATE INDEX invites_by_group ON invites (group_id, id);
CREATE INDEX invites_by_user ON invites (user_id);

-- How often a link that only redirects led somewhere.
ALTER TABLE links ADD COLUMN opens INTEGER NOT NULL DEFAULT 0;
