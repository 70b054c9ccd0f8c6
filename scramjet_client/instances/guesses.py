"""Names that people guess for members of `InstanceClient`, and what these are called."""

from __future__ import annotations

from scramjet_client._common.names import guessed

GUESSES = guessed(
    {
        "stop() or kill()": "abort cancel close end interrupt quit shutdown",
        "get_info().status": (
            "alive done ended finished get_state get_status has_ended is_alive is_done is_finished "
            "ready running state status"
        ),
        "get_info().extra": "args",
        "send_event(name, message), or send_input(source): a hub runs no command in an instance": "exec exec_run",
        'inout(source), or open_input() together with get_stream("output")': (
            "ask chat converse duplex exchange interact open open_inout popen request session talk"
        ),
        "get_next_event(name), or expect_event(name)": "await_event wait_event wait_for_event",
        "run(input=...)": "call communicate execute invoke remote",
        "wait().cause": "cause error exception get_cause get_traceback traceback",
        'get_stream("output").chunks()': "chunks",
        "send_input(b'', end=True)": "close_input end_input eof send_eof",
        "attach()": "connect",
        "run(input=...) of its sequence, on several threads": "map parallel run_many",
        'get_stream("output").pipe_to(target)': "copy pipe_to",
        "kill(remove_immediately=True)": "delete remove rm",
        "show() in a notebook, or follow(output=True)": "display live view",
        "send_event(name, message)": "emit emit_event notify publish trigger",
        "get_event_stream(name)": (
            "event_stream events events_stream get_events iter_events listen listen_events listen_for "
            "on on_event stream_events subscribe watch_events"
        ),
        "wait().terminated.exit_code, or run().returncode": (
            "exit_code exitcode get_exit_code return_code returncode"
        ),
        "send_input(source)": (
            "feed get_input pipe push put send send_bytes send_data send_json send_line send_lines "
            "send_text sendall write_line writeline writelines"
        ),
        "follow(log=True)": (
            "follow_log follow_logs print_log show_log tail tail_log tail_logs watch_log"
        ),
        "follow(output=True)": "follow_output print_output show_output tail_output watch watch_output",
        'get_stream("stderr")': (
            "get_error get_error_stream get_stderr get_stderr_stream iter_stderr open_stderr "
            "read_stderr stderr stderr_stream stream_stderr"
        ),
        "id": "get_id",
        "get_log_stream()": "get_logs log log_stream logs read_log read_logs",
        'get_stream("output")': (
            "get_output get_output_stream iter_lines iter_output lines open_output output "
            "output_stream read read_line read_lines read_output readline readlines receive recv "
            "stream stream_output"
        ),
        "run(input=...).output": "get get_result result",
        'get_stream("stdout")': (
            "get_stdout get_stdout_stream iter_stdout open_stdout read_stdout stdout stdout_stream "
            "stream_stdout"
        ),
        "get_info()": "attrs info poll refresh reload",
        "send_input(source), or open_input()": "input write",
        'get_info().status == "running"': "is_running",
        "wait()": "join wait_for_completion wait_for_end wait_until_done",
        "get_log_stream().records()": "log_records",
        "get_health()": "ping stats top",
        'get_stream("output").records()': "records",
        "SequenceClient.start(), which gives another instance": "restart",
        "send_event(name, message), or send_input(source)": "send_message",
        "get_info().sequence": "sequence",
        "SequenceClient.start(), which gives an instance": "start",
        "send_stdin(source), or open_stdin()": "stdin",
        "stop()": "stop_and_wait terminate",
        "wait_for(status)": "wait_for_status wait_until",
    }
)
