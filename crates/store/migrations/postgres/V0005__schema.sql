-- What apps keep by their schema: values that are unique, ids kept for people who may come to be, invitations; and links that only redirect.

-- A value of a unique field of the schema, in the form in which it is compared.
CREATE TABLE unique_values (
    app_id bytea NOT NULL,
    field text NOT NULL,
    value text NOT NULL,
    user_id bytea NOT NULL,
    PRIMARY KEY (app_id, field, value)
);
CREATE INDEX unique_values_by_user ON unique_values (user_id);

-- The id that somebody with this address gets; `form` is the form of id that was asked for.
CREATE TABLE reserved_users (
    app_id bytea NOT NULL,
    kind bigint NOT NULL,
    value text NOT NULL,
    form text NOT NULL,
    user_id bytea NOT NULL,
    external_id text,
    expires_at bigint NOT NULL,
    PRIMARY KEY (app_id, kind, value, form)
);
CREATE UNIQUE INDEX reserved_users_by_user ON reserved_users (user_id);
CREATE INDEX reserved_users_by_expiry ON reserved_users (expires_at);

-- `address` is JSON as it was given; the link signs the invited person in and accepts for them.
CREATE TABLE invites (
    id bytea NOT NULL,
    app_id bytea NOT NULL,
    group_id bytea NOT NULL,
    user_id bytea NOT NULL,
    member_id bytea NOT NULL,
    link_id bytea NOT NULL,
    roles text NOT NULL,
    state bigint NOT NULL,
    address text NOT NULL,
    redirect text,
    created_at bigint NOT NULL,
    created_by text NOT NULL,
    accepted_at bigint,
    PRIMARY KEY (id)
);
CREATE INDEX invites_by_group ON invites (group_id, id);
CREATE INDEX invites_by_user ON invites (user_id);

-- How often a link that only redirects led somewhere.
ALTER TABLE links ADD COLUMN opens bigint NOT NULL DEFAULT 0;
