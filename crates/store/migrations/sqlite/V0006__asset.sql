-- Sessions that belong to a group and to no user: `user_id` is then the group's id too, which no user has. Whoever reads people's sessions joins users, also in
-- an older version that runs beside this one.
ALTER TABLE sessions ADD COLUMN group_id BLOB;

-- What an app's own server is told; `next_at` is also the end of a lease. No secret.
CREATE TABLE notices (
    id BLOB NOT NULL,
    app_id BLOB NOT NULL,
    kind INTEGER NOT NULL,
    group_id BLOB NOT NULL,
    session_id BLOB NOT NULL,
    link_id BLOB,
    label TEXT,
    created_at INTEGER NOT NULL,
    next_at INTEGER NOT NULL,
    state INTEGER NOT NULL,
    attempts INTEGER NOT NULL,
    last_error TEXT,
    PRIMARY KEY (id)
) STRICT, WITHOUT ROWID;
CREATE INDEX notices_due ON notices (next_at) WHERE state = 1;
