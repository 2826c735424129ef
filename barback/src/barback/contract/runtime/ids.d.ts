/** Which ids jobs may have. Python has the same rules. */
/** @throws TypeError a job that is enqueued cannot be given this id. */
export declare function checkNewId(id: string): void;
/** As for a new one, but BullMQ's own ids are taken too: numbers, and those of jobs that schedules made. @throws TypeError */
export declare function checkKnownId(id: string): void;
