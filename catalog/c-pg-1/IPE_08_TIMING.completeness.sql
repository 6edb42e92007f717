-- From the vouchers as NAV issued them, less the store credit on the items of the order system.
SELECT
    COUNT_BIG(*) AS row_count,
    CAST(SUM(per_voucher.left_lcy) AS decimal(38, 20)) AS sum_remaining_amount_lcy
FROM (
    SELECT
        v.[ID_Company],
        v.[Voucher_No],
        CAST(v.[Face_Value] AS decimal(38, 20)) - CAST(ISNULL(SUM(i.[store_credit_amount]), 0) AS decimal(38, 20)) AS left_lcy
    FROM [AIG_Nav_Jumia_Reconciliation].[dbo].[StoreCreditVoucher] AS v
    INNER JOIN [AIG_Nav_DW].[dbo].[Companies] AS co
        ON co.[Company Code] = v.[ID_Company]
    LEFT JOIN [STG_AIG_NAV_JUMIA_REC].[OMS].[SALES_ORDER_ITEM] AS i
        ON i.[company] = v.[ID_Company]
        AND i.[store_credit_code] = v.[Voucher_Code]
        AND i.[created_at] < @cutoff
    WHERE v.[Deactivation_Date] < @cutoff
        AND v.[Expiry_Date] >= @cutoff
        AND v.[Business_Use] IN (@business_uses)
        AND co.[In Consolidation] = 1
    GROUP BY v.[ID_Company], v.[Voucher_No], v.[Face_Value]
) AS per_voucher
WHERE per_voucher.left_lcy <> 0
