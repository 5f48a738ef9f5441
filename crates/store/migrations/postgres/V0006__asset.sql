-- Sessions that belong to a group and to no user: `user_id` is then the group's id too, which no user has. Whoever reads people's sessions joins users, also in
-- an older version that runs beside this one.
ALTER TABLE sessions ADD COLUMN group_id bytea;

-- What an app's own server is told; `next_at` is also the end of a lease. No secret.
CREATE TABLE notices (
    id bytea NOT NULL,
    app_id bytea NOT NULL,
    kind bigint NOT NULL,
    group_id bytea NOT NULL,
    session_id bytea NOT NULL,
    link_id bytea,
    label text,
    created_at bigint NOT NULL,
    next_at bigint NOT NULL,
    state bigint NOT NULL,
    attempts bigint NOT NULL,
    last_error text,
    PRIMARY KEY (id)
);
CREATE INDEX notices_due ON notices (next_at) WHERE state = 1;
