from agent.backoff import CAP_MS, FIRST_MS, REFUSED_MS, Backoff


def test_backoff_stays_between_half_and_the_whole_of_its_ceiling() -> None:
    low, high = Backoff(lambda: 0.999999), Backoff(lambda: 0.0)

    assert [high.next_ms() for _ in range(5)] == [250, 312, 390, 488, 610]
    assert [high.next_ms() for _ in range(20)][-2:] == [CAP_MS, CAP_MS]
    assert low.next_ms() == FIRST_MS // 2
    low.reset()
    assert low.next_ms(refused=True) == REFUSED_MS // 2
