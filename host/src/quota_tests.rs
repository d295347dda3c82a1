//! A charge counts on its quota and those around it until it is dropped.

use super::*;

#[test]
fn a_charge_counts_until_it_is_dropped() {
    let quota = Quota::new(100);
    let mut charge = Charge::of(&quota, 60).unwrap();
    assert!(Charge::of(&quota, 41).is_none());
    assert!(charge.try_grow(40));
    assert_eq!((quota.used(), charge.bytes()), (100, 100));
    charge.set(10);
    assert_eq!(quota.used(), 10);
    drop(charge);
    assert_eq!(quota.used(), 0);
}

#[test]
fn a_part_has_its_own_bound_and_that_of_the_whole() {
    let whole = Quota::new(100);
    let (one, two) = (whole.part(80), whole.part(80));
    let first = Charge::of(&one, 80).unwrap();
    assert!(Charge::of(&one, 1).is_none());
    assert!(Charge::of(&two, 30).is_none());
    assert_eq!((whole.used(), two.used()), (80, 0));
    let second = Charge::of(&two, 20).unwrap();
    drop((first, second));
    assert_eq!((whole.used(), one.used(), two.used()), (0, 0, 0));
}

#[test]
fn a_meter_charges_in_steps_and_the_first_is_free() {
    let quota = Quota::new(3 * STEP);
    let mut meter = Meter::on(&quota);
    assert!(meter.try_add(STEP));
    assert_eq!(quota.used(), 0);
    assert!(meter.try_add(1));
    assert_eq!(quota.used(), 2 * STEP);
    assert!(meter.try_add(2 * STEP - 1) && !meter.has_room(1) && !meter.try_add(1));
    assert_eq!((meter.used(), quota.used()), (3 * STEP, 3 * STEP));
    meter.add(1);
    assert_eq!(quota.used(), 4 * STEP, "what is there counts");
    let other = Quota::new(1);
    meter.move_to(&other);
    assert_eq!((quota.used(), other.used()), (0, 4 * STEP));
    meter.sub(3 * STEP + 1);
    assert_eq!(other.used(), 0);
}

#[tokio::test]
async fn whoever_makes_room_is_told_once_until_it_has() {
    let quota = Quota::new(10);
    assert!(Charge::of(&quota, 11).is_none());
    assert!(!quota.pressed().await);
    assert!(Charge::of(&quota, 11).is_none(), "nobody is told again");
    quota.relieved();
    let mut there = Charge::on(&quota);
    there.set(11);
    assert!(quota.is_full());
    quota.press_for_share();
    assert!(quota.pressed().await, "somebody has less than a share");
}
