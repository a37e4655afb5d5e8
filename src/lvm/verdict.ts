/** One row of the log that LVM reports with each command (lvmreport(7), "log report"). */
export interface LogRow {
  readonly type: string;
  readonly context: string;
  readonly objectType: string;
  readonly objectName: string;
  readonly message: string;
  readonly returnCode: string;
}

/** What LVM made of a command. */
export interface Verdict {
  readonly succeeded: boolean;
  /** All rows, in LVM's order. */
  readonly rows: readonly LogRow[];
}

/**
 * Reads LVM's verdict on the command of that name from its report; undefined when it holds none: then nothing can be
 * said of the command's outcome. The verdict is the last status row, and it must be the shell's own on that command.
 */
export function readVerdict(report: unknown, command: string): Verdict | undefined {
  const rows = isRecord(report) && Array.isArray(report["log"]) ? report["log"].map(readRow) : [];
  const last = rows.findLast((row) => row.type === "status");
  const isOfCommand = last?.context === "shell" && last.objectType === "cmd" && last.objectName === command;
  return isOfCommand ? { succeeded: last.returnCode === succeededCode, rows } : undefined;
}

const succeededCode = "1";

function readRow(row: unknown): LogRow {
  const text = (key: string): string => {
    const value = isRecord(row) ? row[key] : undefined;
    return typeof value === "string" ? value : "";
  };
  return {
    type: text("log_type"),
    context: text("log_context"),
    objectType: text("log_object_type"),
    objectName: text("log_object_name"),
    message: text("log_message"),
    returnCode: text("log_ret_code"),
  };
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null;
}
