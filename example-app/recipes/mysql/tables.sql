-- For MySQL 8.0 or newer, and MariaDB 10.6 or newer.

CREATE TABLE IF NOT EXISTS portal_record (
  id VARBINARY(1024) NOT NULL PRIMARY KEY, -- bytes, so that keys are compared exactly
  text MEDIUMTEXT CHARACTER SET utf8mb4 NOT NULL, -- up to 16 MB
  version BIGINT NOT NULL,
  ends_at DATETIME(6) NOT NULL, -- UTC
  INDEX (ends_at)
) ENGINE = InnoDB;

CREATE TABLE IF NOT EXISTS portal_record_index (
  list VARBINARY(1024) NOT NULL,
  name VARBINARY(1024) NOT NULL,
  ends_at DATETIME(6) NOT NULL,
  PRIMARY KEY (list, name),
  INDEX (ends_at)
) ENGINE = InnoDB;
