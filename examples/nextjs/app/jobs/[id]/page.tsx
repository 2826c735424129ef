import { JobProgress } from "./job-progress";

export default async function Page({ params }: { params: Promise<{ id: string }> }) {
  const { id } = await params;
  return (
    <>
      <h1>Job {id}</h1>
      <JobProgress id={id} />
    </>
  );
}
