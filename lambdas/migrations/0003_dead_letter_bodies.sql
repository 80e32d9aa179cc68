-- Large bodies lie in S3, and letters can be redriven. The writer's rights on the table cover the new columns.

ALTER TABLE dead_letters
    ALTER COLUMN body DROP NOT NULL,
    ADD COLUMN body_address text,
    ADD COLUMN redriven_at timestamptz,
    ADD COLUMN redrives integer NOT NULL DEFAULT 0,
    ADD COLUMN redrive_outcome text,
    ADD CONSTRAINT dead_letters_have_a_body CHECK ((body IS NULL) <> (body_address IS NULL));

COMMENT ON COLUMN dead_letters.body IS 'The message exactly as it came; null where it lies in S3';
COMMENT ON COLUMN dead_letters.body_address IS 's3://bucket/key of a large message, gzip; null where it is in body';
COMMENT ON COLUMN dead_letters.redriven_at IS
    'When the last redrive of it began that was accepted by trades-raw; a letter last seen after that came again';
COMMENT ON COLUMN dead_letters.redrives IS 'How many redrives of it trades-raw has accepted';
COMMENT ON COLUMN dead_letters.redrive_outcome IS 'What the last try to redrive it came to, for people';
